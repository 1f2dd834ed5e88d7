//! What a terminal shows after all that was written to it: lines that were drawn over are gone.

/// Its columns.
pub(super) const WIDTH: u16 = 200;

/// The lines that stay, without colours and without blanks at their ends.
pub(super) fn lines(written: &str) -> Vec<String> {
    let mut screen = Screen::default();
    let mut rest = written.chars();
    while let Some(next) = rest.next() {
        match next {
            '\x1b' => screen.escape(&mut rest),
            '\r' => screen.column = 0,
            '\n' => screen.row += 1,
            '\x08' => screen.column = screen.column.saturating_sub(1),
            '\x07' => {}
            shown => screen.put(shown),
        }
    }
    screen.rows.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect()
}

#[derive(Default)]
struct Screen {
    rows: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Screen {
    fn line(&mut self) -> &mut Vec<char> {
        if self.rows.len() <= self.row {
            self.rows.resize(self.row + 1, Vec::new());
        }
        &mut self.rows[self.row]
    }

    fn put(&mut self, shown: char) {
        // A full line goes on in the next one, once there is more.
        if self.column >= usize::from(WIDTH) {
            self.row += 1;
            self.column = 0;
        }
        let column = self.column;
        let line = self.line();
        if line.len() <= column {
            line.resize(column + 1, ' ');
        }
        line[column] = shown;
        self.column += 1;
    }

    /// What moves or erases; what colours is left out.
    fn escape(&mut self, rest: &mut std::str::Chars<'_>) {
        match rest.next() {
            Some('[') => {}
            // A title: until a bell.
            Some(']') => {
                rest.find(|next| *next == '\x07');
                return;
            }
            _ => return,
        }
        let mut number = String::new();
        let end = loop {
            match rest.next() {
                Some(next) if next.is_ascii_alphabetic() => break next,
                Some(next) => number.push(next),
                None => return,
            }
        };
        let count = number.parse().unwrap_or(1);
        let column = self.column;
        match end {
            'A' => self.row = self.row.saturating_sub(count),
            'B' => self.row += count,
            'C' => self.column += count,
            'D' => self.column = self.column.saturating_sub(count),
            'G' => self.column = count - 1,
            'K' if number == "2" => self.line().clear(),
            'K' => self.line().truncate(column),
            'J' => {
                self.line().truncate(column);
                self.rows.truncate(self.row + 1);
            }
            _ => {}
        }
    }
}

#[test]
fn what_was_drawn_over_is_gone() {
    let written = "one\r\n\x1b[1mtwo\x1b[0m\r\nbar 1\x1b[2K\rbar 2\x1b[1A\x1b[5D\x1b[2Klast\r\n\x1b[Jend\x1b]0;title\x07.\r\n";
    assert_eq!(lines(written), ["one", "last", "end."]);
    let full = "a".repeat(usize::from(WIDTH));
    assert_eq!(lines(&format!("{full}b\r\n{full}\r\nc")), [full.as_str(), "b", full.as_str(), "c"]);
}
