//! What a pickle makes.

/// The number of a node. Lists are filled after they were made, so nodes refer to each other by
/// number.
pub(super) type Id = usize;

/// A value; texts and bytes stand in the message.
#[derive(Debug)]
pub(super) enum Node<'a> {
    None,
    Bool(bool),
    Int(i128),
    /// An integer that is too large for anything but hexadecimal digits.
    Wide(String),
    Float(f64),
    Text(&'a str),
    /// Text that had to be made of what stands in the message.
    Made(String),
    Bytes(&'a [u8]),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Set(Vec<Id>),
    Frozen(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A dict that cannot be an object of JSON.
    Map(Vec<(Id, Id)>),
    /// A name that would be imported: the texts of its module, and of what is in it.
    Global(Id, Id),
    Call(Box<Call>),
    /// An object that is named and not contained.
    Persistent(Id),
    Extension(u32),
    Buffer,
}

impl Node<'_> {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Made(text) => Some(text),
            _ => None,
        }
    }
}

/// A call that is not made, and what would be put into its result.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) callable: Id,
    pub(super) args: Id,
    pub(super) kwargs: Option<Id>,
    pub(super) state: Option<Id>,
    pub(super) items: Vec<Id>,
    pub(super) entries: Vec<(Id, Id)>,
}

impl Call {
    pub(super) fn new(callable: Id, args: Id) -> Self {
        Self {
            callable,
            args,
            kwargs: None,
            state: None,
            items: Vec::new(),
            entries: Vec::new(),
        }
    }
}
