//! The fenced blocks of Markdown pages, for the tests that run them.

/// A fenced block of a Markdown text.
pub struct Block {
    /// The word after the fence.
    pub language: String,
    /// The number of the line where it begins.
    pub line: usize,
    /// What is in it.
    pub text: String,
    /// The `text` block right after it.
    pub output: Option<String>,
    /// That one says `text unordered`: several threads write it.
    pub output_in_any_order: bool,
}

/// The fenced blocks of a Markdown text.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = text.lines().enumerate();
    let mut after_a_block = false;
    while let Some((number, line)) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            after_a_block &= line.is_empty();
            continue;
        };
        let inside: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        let text = inside.join("\n") + "\n";
        if language == "text" || language == "text unordered" {
            assert!(after_a_block, "line {}: whose output?", number + 1);
            let block = blocks.last_mut().unwrap();
            block.output = Some(text);
            block.output_in_any_order = language != "text";
            after_a_block = false;
        } else {
            after_a_block = true;
            blocks.push(Block {
                language: language.to_owned(),
                line: number + 1,
                text,
                output: None,
                output_in_any_order: false,
            });
        }
    }
    blocks
}
