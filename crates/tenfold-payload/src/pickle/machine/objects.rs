//! Instructions by which Python would import and call.

use super::Machine;
use crate::Problem;
use crate::pickle::node::{Call, Node};

impl Machine<'_> {
    pub(super) fn object(&mut self, opcode: u8) -> Result<(), Problem> {
        match opcode {
            b'c' => {
                let global = self.dotted()?;
                self.push(global)
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                if [module, name]
                    .iter()
                    .any(|id| self.nodes[*id].text().is_none())
                {
                    return Err(self.wrong(format_args!("names something without text")));
                }
                self.push(Node::Global(module, name))
            }
            b'R' | 0x81 => {
                let (args, callable) = (self.pop()?, self.pop()?);
                self.call(Call::new(callable, args))
            }
            0x92 => {
                let (kwargs, args, callable) = (self.pop()?, self.pop()?, self.pop()?);
                self.call(Call {
                    kwargs: Some(kwargs),
                    ..Call::new(callable, args)
                })
            }
            b'i' => {
                let global = self.dotted()?;
                let args = self.pop_mark()?;
                let (callable, args) = (self.node(global), self.node(Node::Tuple(args)));
                self.call(Call::new(callable, args))
            }
            b'o' => {
                let mut args = self.pop_mark()?;
                if args.is_empty() {
                    return Err(self.empty());
                }
                let callable = args.remove(0);
                let args = self.node(Node::Tuple(args));
                self.call(Call::new(callable, args))
            }
            b'b' => self.build(),
            b'P' => {
                let name = self.reading.word()?;
                let id = self.node(Node::Text(name));
                self.push(Node::Persistent(id))
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Node::Persistent(id))
            }
            0x82..=0x84 => {
                let code = match opcode {
                    0x82 => self.reading.byte()?.into(),
                    0x83 => u16::from_le_bytes(self.reading.array()?).into(),
                    _ => self.reading.u32()?,
                };
                self.push(Node::Extension(code))
            }
            0x97 => self.push(Node::Buffer),
            // A buffer that becomes read-only looks as it did.
            _ => self.top().map(|_| ()),
        }
    }

    /// Two lines that name something: a module, and what is in it.
    fn dotted(&mut self) -> Result<Node<'static>, Problem> {
        let (module, name) = (self.reading.word()?, self.reading.word()?);
        let module = self.node(Node::Text(module));
        Ok(Node::Global(module, self.node(Node::Text(name))))
    }

    fn call(&mut self, call: Call) -> Result<(), Problem> {
        self.push(Node::Call(Box::new(call)))
    }

    /// Gives the object on the stack its state. What has one already is what another call would
    /// make of it.
    fn build(&mut self) -> Result<(), Problem> {
        let state = self.pop()?;
        let object = self.top()?;
        if let Node::Call(call) = &mut self.nodes[object]
            && call.state.is_none()
        {
            call.state = Some(state);
            return Ok(());
        }
        self.pop()?;
        let args = self.node(Node::Tuple(vec![object, state]));
        let callable = self.node(Node::Text("__setstate__"));
        self.call(Call::new(callable, args))
    }
}
