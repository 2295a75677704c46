//! Tables for people: columns of equal width.

use wamp_tools::paint::Paint;

use crate::values::plain;

/// The lines of a table. Columns of numbers are flush right; the last one is not filled up.
pub fn lines(head: &[&str], rows: &[Vec<String>], paint: Paint) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let is_number: Vec<bool> = (0..head.len())
        .map(|column| {
            let is_number = |cell: &str| cell.chars().all(|c| c.is_ascii_digit());
            !rows.is_empty() && rows.iter().all(|row| is_number(&row[column]))
        })
        .collect();
    let line = |cells: &[&str]| {
        let cells = cells.iter().enumerate().map(|(column, cell)| match is_number[column] {
            true => format!("{cell:>width$}", width = widths[column]),
            false => format!("{cell:<width$}", width = widths[column]),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head = paint.bold(&line(head));
    let rows = rows.iter().map(|row| {
        let cells: Vec<&str> = row.iter().map(String::as_str).collect();
        line(&cells)
    });
    [head].into_iter().chain(rows).collect()
}

/// A value of somebody else as a cell: a text without quotes, nothing as a dash.
pub fn cell(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "-".to_owned(),
        serde_json::Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        serde_json::Value::String(text) => plain(text),
        other => plain(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [["7", "ä", "x"], ["1234", "longer", ""]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        let shown = lines(&["ID", "NAME", "REST"], &rows, Paint::none());
        assert_eq!(shown, ["  ID  NAME    REST", "   7  ä       x", "1234  longer"]);
        assert_eq!(lines(&["A", "B"], &[], Paint::none()), ["A  B"]);
    }
}
