//! Prefixes, found by the text that begins with them: a radix trie over bytes.
//!
//! A look-up reads the text once, whatever number of prefixes there is: it visits at most one node
//! for each byte.

/// The prefixes of a table, each with an id.
#[derive(Debug)]
pub(super) struct Prefixes {
    nodes: Vec<Node>,
    free: Vec<usize>,
}

/// A place in the trie. Its text is all labels on the way to it.
#[derive(Debug, Default)]
struct Node {
    label: Box<[u8]>,
    /// The first bytes of the labels below, sorted, with their nodes.
    children: Vec<(u8, usize)>,
    /// The id of the prefix that ends here.
    id: Option<u64>,
}

const ROOT: usize = 0;

impl Default for Prefixes {
    fn default() -> Self {
        Prefixes { nodes: vec![Node::default()], free: Vec::new() }
    }
}

impl Prefixes {
    /// The id of this very prefix.
    pub(super) fn get(&self, prefix: &str) -> Option<u64> {
        let (length, id) = self.matching(prefix).last()?;
        (length == prefix.len()).then_some(id)
    }

    /// Adds a prefix that is not there.
    pub(super) fn insert(&mut self, prefix: &str, id: u64) {
        let (mut at, mut rest) = (ROOT, prefix.as_bytes());
        while let Some(&first) = rest.first() {
            match self.nodes[at].child(first) {
                Ok(place) => {
                    let child = self.nodes[at].children[place].1;
                    let label = &self.nodes[child].label;
                    let common = label.iter().zip(rest).take_while(|(one, other)| one == other);
                    let common = common.count();
                    if common < label.len() {
                        self.split(at, place, common);
                    }
                    at = self.nodes[at].children[place].1;
                    rest = &rest[common..];
                }
                Err(place) => {
                    let leaf = self.add(Node { label: rest.into(), ..Node::default() });
                    self.nodes[at].children.insert(place, (first, leaf));
                    (at, rest) = (leaf, &[]);
                }
            }
        }
        self.nodes[at].id = Some(id);
    }

    /// Takes a prefix out.
    pub(super) fn remove(&mut self, prefix: &str) {
        let (mut above, mut at, mut rest) = (None, ROOT, prefix.as_bytes());
        while !rest.is_empty() {
            let Some((place, child)) = self.step(at, rest) else {
                return;
            };
            rest = &rest[self.nodes[child].label.len()..];
            (above, at) = (Some((at, place)), child);
        }
        self.nodes[at].id = None;
        let Some((parent, place)) = above else {
            return;
        };
        if self.nodes[at].children.is_empty() {
            self.nodes[parent].children.remove(place);
            self.discard(at);
            self.join(parent);
        } else {
            self.join(at);
        }
    }

    /// The prefixes with which `text` begins, from the shortest to the longest.
    pub(super) fn matching<'a>(&'a self, text: &'a str) -> Matching<'a> {
        Matching { prefixes: self, at: Some(ROOT), rest: text.as_bytes(), length: 0, visited: 0 }
    }

    /// The child of `at` with whose label `rest` begins, and its place.
    fn step(&self, at: usize, rest: &[u8]) -> Option<(usize, usize)> {
        let place = self.nodes[at].child(*rest.first()?).ok()?;
        let child = self.nodes[at].children[place].1;
        rest.starts_with(&self.nodes[child].label).then_some((place, child))
    }

    /// Divides the label of a child after `length` bytes.
    fn split(&mut self, at: usize, place: usize, length: usize) {
        let (first, lower) = self.nodes[at].children[place];
        let label = std::mem::take(&mut self.nodes[lower].label);
        let (upper, rest) = label.split_at(length);
        let children = vec![(rest[0], lower)];
        self.nodes[lower].label = rest.into();
        let upper = self.add(Node { label: upper.into(), children, id: None });
        self.nodes[at].children[place] = (first, upper);
    }

    /// Makes one node of one that nothing ends at and its only child.
    fn join(&mut self, at: usize) {
        let Node { id: None, children, .. } = &self.nodes[at] else {
            return;
        };
        let [(_, only)] = children[..] else {
            return;
        };
        if at == ROOT {
            return;
        }
        let Node { label, children, id } = std::mem::take(&mut self.nodes[only]);
        self.free.push(only);
        let upper = &mut self.nodes[at];
        upper.label = [&*upper.label, &*label].concat().into();
        (upper.children, upper.id) = (children, id);
    }

    fn add(&mut self, node: Node) -> usize {
        match self.free.pop() {
            Some(at) => {
                self.nodes[at] = node;
                at
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        }
    }

    fn discard(&mut self, at: usize) {
        self.nodes[at] = Node::default();
        self.free.push(at);
    }
}

impl Node {
    /// The place of the child whose label begins with this byte, or where it would be.
    fn child(&self, first: u8) -> Result<usize, usize> {
        self.children.binary_search_by_key(&first, |(first, _)| *first)
    }
}

/// See [`Prefixes::matching`]. Gives lengths and ids.
#[derive(Debug)]
pub(super) struct Matching<'a> {
    prefixes: &'a Prefixes,
    /// The node that is looked at next.
    at: Option<usize>,
    rest: &'a [u8],
    length: usize,
    /// The nodes that were looked at.
    pub(super) visited: usize,
}

impl Iterator for Matching<'_> {
    type Item = (usize, u64);

    fn next(&mut self) -> Option<(usize, u64)> {
        while let Some(at) = self.at {
            self.visited += 1;
            let found = self.prefixes.nodes[at].id.map(|id| (self.length, id));
            self.at = self.prefixes.step(at, self.rest).map(|(_, child)| {
                let label = self.prefixes.nodes[child].label.len();
                self.rest = &self.rest[label..];
                self.length += label;
                child
            });
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_found_by_what_begins_with_them(
            steps in proptest::collection::vec(("[abü]{0,6}", any::<bool>()), 0..60),
            texts in proptest::collection::vec("[abü]{0,9}", 1..8),
        ) {
            let (mut trie, mut all) = (Prefixes::default(), BTreeMap::new());
            for (id, (prefix, add)) in (1..).zip(&steps) {
                if *add && !all.contains_key(prefix) {
                    trie.insert(prefix, id);
                    all.insert(prefix.clone(), id);
                } else if !add {
                    trie.remove(prefix);
                    all.remove(prefix);
                }
            }
            for text in &texts {
                let mut matching = trie.matching(text);
                let found: Vec<_> = matching.by_ref().collect();
                let expected = all.iter().filter(|(prefix, _)| text.starts_with(*prefix));
                let mut expected: Vec<_> =
                    expected.map(|(prefix, id)| (prefix.len(), *id)).collect();
                expected.sort_unstable();
                prop_assert_eq!(found, expected);
                prop_assert!(matching.visited <= text.len() + 1);
                prop_assert_eq!(trie.get(text), all.get(text).copied());
            }
            // No node is kept that leads nowhere.
            prop_assert!(trie.nodes.len() - trie.free.len() <= 2 * all.len() + 1);
        }
    }
}
