//! The nodes of a pickle as JSON.

use super::node::{Call, Id, Node};
use crate::write::{put_bytes, put_float, put_int, put_text};
use crate::{MAX_DEPTH, Problem};

/// What is shown of one message at the most, in bytes: a value that is used a hundred times is shown a
/// hundred times, and what it contains as well. A short message gets less.
const MAX_TEXT: usize = 64 << 20;
const LEAST_TEXT: usize = 1 << 20;
const TEXT_FOR_A_BYTE: usize = 256;

/// The text of a node and of all that it contains, for a message of so many bytes.
pub(super) fn text(nodes: &[Node<'_>], root: Id, length: usize) -> Result<String, Problem> {
    let more = length.saturating_mul(TEXT_FOR_A_BYTE);
    let mut show = Show {
        nodes,
        is_open: vec![false; nodes.len()],
        depth: 0,
        most: MAX_TEXT.min(more.saturating_add(LEAST_TEXT)),
        out: String::new(),
    };
    show.put(root)?;
    Ok(show.out)
}

struct Show<'a> {
    nodes: &'a [Node<'a>],
    /// Which nodes contain the one that is being shown, and how many they are.
    is_open: Vec<bool>,
    depth: usize,
    /// How long the text may become.
    most: usize,
    out: String,
}

impl Show<'_> {
    fn put(&mut self, id: Id) -> Result<(), Problem> {
        if self.is_open[id] {
            return Err(Problem::new("has a value that contains itself"));
        }
        if self.depth >= MAX_DEPTH {
            return Err(Problem::too_deep());
        }
        if self.out.len() > self.most {
            return Err(Problem::new(format!(
                "would be more than {} bytes of JSON: it has values that are used again and again",
                self.most
            )));
        }
        self.is_open[id] = true;
        self.depth += 1;
        self.node(id)?;
        self.depth -= 1;
        self.is_open[id] = false;
        Ok(())
    }

    fn node(&mut self, id: Id) -> Result<(), Problem> {
        let out = &mut self.out;
        match &self.nodes[id] {
            Node::None => out.push_str("null"),
            Node::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Node::Int(value) => put_int(*value, out),
            Node::Wide(digits) => self.special("$int", |out| put_text(digits, out)),
            Node::Float(value) => put_float(*value, out),
            Node::Text(text) => put_text(text, out),
            Node::Made(text) => put_text(text, out),
            Node::Bytes(bytes) => put_bytes(bytes, out),
            Node::List(items) | Node::Tuple(items) => self.list(items)?,
            Node::Set(items) => self.wrapped("$set", items)?,
            Node::Frozen(items) => self.wrapped("$frozenset", items)?,
            Node::Dict(entries) => self.dict(entries)?,
            Node::Map(entries) => {
                self.key('{', "$map");
                self.pairs(entries)?;
                self.out.push('}');
            }
            Node::Global(module, name) => {
                let name = self.name(*module, *name);
                self.special("$global", |out| put_text(&name, out));
            }
            Node::Call(call) => self.call(call)?,
            Node::Persistent(id) => {
                out.push_str(r#"{"$persistent":"#);
                self.put(*id)?;
                self.out.push('}');
            }
            Node::Extension(code) => self.special("$extension", |out| put_int((*code).into(), out)),
            Node::Buffer => self.special("$buffer", |out| out.push_str("true")),
        }
        Ok(())
    }

    fn special(&mut self, key: &str, put: impl FnOnce(&mut String)) {
        self.key('{', key);
        put(&mut self.out);
        self.out.push('}');
    }

    fn key(&mut self, before: char, key: &str) {
        self.out.push(before);
        put_text(key, &mut self.out);
        self.out.push(':');
    }

    fn wrapped(&mut self, key: &str, items: &[Id]) -> Result<(), Problem> {
        self.key('{', key);
        self.list(items)?;
        self.out.push('}');
        Ok(())
    }

    fn list(&mut self, items: &[Id]) -> Result<(), Problem> {
        self.out.push('[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            self.put(*item)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn dict(&mut self, entries: &[(Id, Id)]) -> Result<(), Problem> {
        self.out.push('{');
        for (at, (key, value)) in entries.iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            self.put(*key)?;
            self.out.push(':');
            self.put(*value)?;
        }
        self.out.push('}');
        Ok(())
    }

    fn pairs(&mut self, entries: &[(Id, Id)]) -> Result<(), Problem> {
        self.out.push('[');
        for (at, (key, value)) in entries.iter().enumerate() {
            self.out.push_str(if at == 0 { "[" } else { ",[" });
            self.put(*key)?;
            self.out.push(',');
            self.put(*value)?;
            self.out.push(']');
        }
        self.out.push(']');
        Ok(())
    }

    fn name(&self, module: Id, name: Id) -> String {
        let text = |id: Id| self.nodes[id].text().unwrap_or_default();
        format!("{}.{}", text(module), text(name))
    }

    fn call(&mut self, call: &Call) -> Result<(), Problem> {
        self.key('{', "$call");
        match &self.nodes[call.callable] {
            Node::Global(module, name) => put_text(&self.name(*module, *name), &mut self.out),
            _ => self.put(call.callable)?,
        }
        self.key(',', "args");
        self.put(call.args)?;
        for (key, part) in [("kwargs", call.kwargs), ("state", call.state)] {
            if let Some(part) = part {
                self.key(',', key);
                self.put(part)?;
            }
        }
        if !call.items.is_empty() {
            self.key(',', "items");
            self.list(&call.items)?;
        }
        if !call.entries.is_empty() {
            self.key(',', "entries");
            self.pairs(&call.entries)?;
        }
        self.out.push('}');
        Ok(())
    }
}
