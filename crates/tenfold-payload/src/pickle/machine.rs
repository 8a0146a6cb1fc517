//! The machine that a pickle is a program for.

use std::collections::HashMap;

use super::node::{Id, Node};
use super::reading::{Reading, long, quoted, raw_unicode};
use crate::{MAX_VALUES, Problem};

mod objects;

/// Runs a pickle, and keeps what it makes.
#[derive(Debug)]
pub(super) struct Machine<'a> {
    reading: Reading<'a>,
    nodes: Vec<Node<'a>>,
    stack: Vec<Id>,
    /// Where the stack was at each mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// Where the instruction begins that is being executed.
    at: usize,
}

/// The newest protocol of Python.
const NEWEST: u8 = 5;

impl<'a> Machine<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self {
            reading: Reading::new(message),
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            at: 0,
        }
    }

    /// What it has made.
    pub(super) fn into_nodes(self) -> Vec<Node<'a>> {
        self.nodes
    }

    /// How many bytes follow the last instruction.
    pub(super) fn rest(&self) -> usize {
        self.reading.rest()
    }

    /// Executes everything up to STOP, and gives the result.
    pub(super) fn run(&mut self) -> Result<Id, Problem> {
        loop {
            self.at = self.reading.at();
            match self.reading.byte()? {
                b'.' => return self.pop(),
                opcode => self.execute(opcode)?,
            }
            if self.nodes.len() > MAX_VALUES {
                return Err(Problem::too_many());
            }
        }
    }

    fn execute(&mut self, opcode: u8) -> Result<(), Problem> {
        match opcode {
            0x80 => self.protocol(),
            0x95 => self.reading.take(8).map(|_| ()),
            b'(' | b'0' | b'1' | b'2' | b'p' | b'q' | b'r' | 0x94 | b'g' | b'h' | b'j' => {
                self.arrange(opcode)
            }
            b'N' => self.push(Node::None),
            0x88 => self.push(Node::Bool(true)),
            0x89 => self.push(Node::Bool(false)),
            b'I' | b'L' | b'J' | b'K' | b'M' | 0x8a | 0x8b | b'F' | b'G' => self.number(opcode),
            b'S' | b'T' | b'U' | b'V' | b'X' | 0x8c | 0x8d | b'B' | b'C' | 0x8e | 0x96 => {
                self.string(opcode)
            }
            b']'
            | b'l'
            | b'a'
            | b'e'
            | b')'
            | b't'
            | 0x85..=0x87
            | b'}'
            | b'd'
            | b's'
            | b'u'
            | 0x8f..=0x91 => self.container(opcode),
            b'c'
            | 0x93
            | b'R'
            | b'b'
            | b'i'
            | b'o'
            | 0x81
            | 0x92
            | b'P'
            | b'Q'
            | 0x82..=0x84
            | 0x97
            | 0x98 => self.object(opcode),
            _ => Err(self.wrong(format_args!("is not an instruction (0x{opcode:02x})"))),
        }
    }

    fn protocol(&mut self) -> Result<(), Problem> {
        match self.reading.byte()? {
            0..=NEWEST => Ok(()),
            newer => Err(Problem::new(format!(
                "is a pickle of protocol {newer}, and {NEWEST} is the newest that is known"
            ))),
        }
    }

    /// The stack and the memo.
    fn arrange(&mut self, opcode: u8) -> Result<(), Problem> {
        match opcode {
            b'(' => self.marks.push(self.stack.len()),
            b'0' if self.marks.last() == Some(&self.stack.len()) => drop(self.marks.pop()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => self.stack.push(self.top()?),
            b'p' | b'q' | b'r' | 0x94 => {
                let key = match opcode {
                    b'p' => self.word_number()?,
                    b'q' => self.reading.byte()?.into(),
                    b'r' => self.reading.u32()?,
                    _ => u32::try_from(self.memo.len()).unwrap_or(u32::MAX),
                };
                self.memo.insert(key, self.top()?);
            }
            _ => {
                let key = match opcode {
                    b'g' => self.word_number()?,
                    b'h' => self.reading.byte()?.into(),
                    _ => self.reading.u32()?,
                };
                let kept = self.memo.get(&key).copied();
                let kept =
                    kept.ok_or_else(|| self.wrong(format_args!("takes what was never kept")))?;
                self.stack.push(kept);
            }
        }
        Ok(())
    }

    fn word_number(&mut self) -> Result<u32, Problem> {
        let word = self.reading.word()?;
        word.trim_end()
            .parse()
            .map_err(|_| self.wrong(format_args!("has a bad number")))
    }

    fn number(&mut self, opcode: u8) -> Result<(), Problem> {
        let node = match opcode {
            b'I' | b'L' => {
                let word = self.reading.word()?.trim_end();
                match word {
                    "00" if opcode == b'I' => Node::Bool(false),
                    "01" if opcode == b'I' => Node::Bool(true),
                    word => self.decimal(word.strip_suffix('L').unwrap_or(word))?,
                }
            }
            b'J' => Node::Int(i32::from_le_bytes(self.reading.array()?).into()),
            b'K' => Node::Int(self.reading.byte()?.into()),
            b'M' => Node::Int(u16::from_le_bytes(self.reading.array()?).into()),
            b'F' => {
                let number = self.reading.word()?.trim_end().parse();
                Node::Float(number.map_err(|_| self.wrong(format_args!("has a bad number")))?)
            }
            b'G' => Node::Float(f64::from_be_bytes(self.reading.array()?)),
            _ => {
                let width = if opcode == 0x8a { 1 } else { 4 };
                match long(self.reading.counted(width)?) {
                    Ok(number) => Node::Int(number),
                    Err(digits) => Node::Wide(digits),
                }
            }
        };
        self.push(node)
    }

    fn decimal(&self, word: &str) -> Result<Node<'a>, Problem> {
        let digits = word.strip_prefix('-').unwrap_or(word);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.wrong(format_args!("has a bad number")));
        }
        Ok(word
            .parse()
            .map_or_else(|_| Node::Wide(word.to_owned()), Node::Int))
    }

    fn string(&mut self, opcode: u8) -> Result<(), Problem> {
        let node = match opcode {
            b'S' => match quoted(self.reading.line()?).map(String::from_utf8) {
                Some(Ok(text)) => Node::Made(text),
                Some(Err(error)) => {
                    // Bytes of Python 2, shown as what they would be if each were a character.
                    let bytes = error.into_bytes();
                    Node::Made(bytes.into_iter().map(char::from).collect())
                }
                None => return Err(self.wrong(format_args!("has a bad string"))),
            },
            b'V' => match raw_unicode(self.reading.line()?) {
                Some(text) => Node::Made(text),
                None => return Err(self.wrong(format_args!("has a bad string"))),
            },
            b'B' | b'C' | 0x8e | 0x96 => {
                let width = match opcode {
                    b'B' => 4,
                    b'C' => 1,
                    _ => 8,
                };
                Node::Bytes(self.reading.counted(width)?)
            }
            _ => {
                let width = match opcode {
                    b'U' | 0x8c => 1,
                    0x8d => 8,
                    _ => 4,
                };
                let bytes = self.reading.counted(width)?;
                std::str::from_utf8(bytes).map_or(Node::Bytes(bytes), Node::Text)
            }
        };
        self.push(node)
    }

    fn container(&mut self, opcode: u8) -> Result<(), Problem> {
        match opcode {
            b']' => self.push(Node::List(Vec::new())),
            b')' => self.push(Node::Tuple(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            0x8f => self.push(Node::Set(Vec::new())),
            b'l' => self.of_marked(Node::List),
            b't' => self.of_marked(Node::Tuple),
            0x91 => self.of_marked(Node::Frozen),
            0x85..=0x87 => {
                let start = self.stack.len().checked_sub(usize::from(opcode - 0x84));
                let start = start.ok_or_else(|| self.empty())?;
                let items = self.stack.split_off(start);
                self.push(Node::Tuple(items))
            }
            b'd' => {
                let entries = self.pop_pairs()?;
                self.push(Node::Dict(entries))
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.extend_entries(vec![(key, value)])
            }
            b'u' => {
                let entries = self.pop_pairs()?;
                self.extend_entries(entries)
            }
            b'a' => {
                let item = self.pop()?;
                self.extend_items(vec![item])
            }
            _ => {
                let items = self.pop_mark()?;
                self.extend_items(items)
            }
        }
    }

    fn extend_items(&mut self, more: Vec<Id>) -> Result<(), Problem> {
        let top = self.top()?;
        match &mut self.nodes[top] {
            Node::List(items) | Node::Set(items) => items.extend(more),
            Node::Call(call) => call.items.extend(more),
            _ => return Err(self.wrong(format_args!("puts an item into what is not a list"))),
        }
        Ok(())
    }

    fn extend_entries(&mut self, more: Vec<(Id, Id)>) -> Result<(), Problem> {
        let top = self.top()?;
        match &mut self.nodes[top] {
            Node::Dict(entries) => entries.extend(more),
            Node::Call(call) => call.entries.extend(more),
            _ => return Err(self.wrong(format_args!("puts an entry into what is not a dict"))),
        }
        Ok(())
    }

    fn of_marked(&mut self, make: fn(Vec<Id>) -> Node<'a>) -> Result<(), Problem> {
        let items = self.pop_mark()?;
        self.push(make(items))
    }

    fn node(&mut self, node: Node<'a>) -> Id {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    #[expect(clippy::unnecessary_wraps, reason = "an instruction ends with it")]
    fn push(&mut self, node: Node<'a>) -> Result<(), Problem> {
        let id = self.node(node);
        self.stack.push(id);
        Ok(())
    }

    /// The top of the stack, above the last mark.
    fn top(&self) -> Result<Id, Problem> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let above = self.stack.get(floor..).unwrap_or_default();
        above.last().copied().ok_or_else(|| self.empty())
    }

    fn pop(&mut self) -> Result<Id, Problem> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, Problem> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len());
        let mark =
            mark.ok_or_else(|| self.wrong(format_args!("needs a mark, and there is none")))?;
        Ok(self.stack.split_off(mark))
    }

    fn pop_pairs(&mut self) -> Result<Vec<(Id, Id)>, Problem> {
        let items = self.pop_mark()?;
        if items.len() % 2 != 0 {
            return Err(self.wrong(format_args!("has a key without a value")));
        }
        Ok(items.chunks(2).map(|pair| (pair[0], pair[1])).collect())
    }

    fn empty(&self) -> Problem {
        self.wrong(format_args!("needs a value, and there is none"))
    }

    fn wrong(&self, what: std::fmt::Arguments<'_>) -> Problem {
        Problem::is_no(
            "pickle",
            format_args!("the instruction at byte {} {what}", self.at),
        )
    }
}
