//! Statuses of answers.

use std::fmt;

/// The status of an answer. Displays as it is in the first line, with its title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(u16);

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $code:literal $title:literal,)*) => {
        impl Status {
            $($(#[$doc])* pub const $name: Self = Self($code);)*

            /// Its name.
            pub fn title(self) -> &'static str {
                match self.0 {
                    $($code => $title,)*
                    _ => "",
                }
            }
        }
    };
}

statuses! {
    /// 101
    SWITCHING = 101 "Switching Protocols",
    /// 200
    OK = 200 "OK",
    /// 204
    NO_CONTENT = 204 "No Content",
    /// 400
    BAD_REQUEST = 400 "Bad Request",
    /// 401
    UNAUTHORIZED = 401 "Unauthorized",
    /// 403
    FORBIDDEN = 403 "Forbidden",
    /// 404
    NOT_FOUND = 404 "Not Found",
    /// 405
    METHOD_NOT_ALLOWED = 405 "Method Not Allowed",
    /// 406
    NOT_ACCEPTABLE = 406 "Not Acceptable",
    /// 408
    TIMEOUT = 408 "Request Timeout",
    /// 409
    CONFLICT = 409 "Conflict",
    /// 410
    GONE = 410 "Gone",
    /// 413
    TOO_LARGE = 413 "Content Too Large",
    /// 416
    RANGE = 416 "Range Not Satisfiable",
    /// 417
    EXPECTATION = 417 "Expectation Failed",
    /// 421
    MISDIRECTED = 421 "Misdirected Request",
    /// 422
    UNPROCESSABLE = 422 "Unprocessable Content",
    /// 426
    UPGRADE = 426 "Upgrade Required",
    /// 431
    HEAD_TOO_LARGE = 431 "Request Header Fields Too Large",
    /// 503
    UNAVAILABLE = 503 "Service Unavailable",
    /// 507
    NO_SPACE = 507 "Insufficient Storage",
}

impl Status {
    /// Its number.
    pub fn code(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.title())
    }
}
