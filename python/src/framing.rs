//! The framing, and whose bytes are meant.

use std::hash::{DefaultHasher, Hash, Hasher};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;
use tenfold_codec::Side;

use crate::errors;

/// The rule by which a stream of bytes is cut into messages.
#[pyclass(module = "tenfold", frozen, eq)]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Framing(tenfold_codec::Framing);

#[pymethods]
impl Framing {
    #[new]
    #[pyo3(signature = (line = "decimal:10", /))]
    fn new(py: Python<'_>, line: &str) -> PyResult<Self> {
        match line.parse() {
            Ok(framing) => Ok(Self(framing)),
            Err(error) => Err(errors::of_framing(py, &error)),
        }
    }

    /// How the bytes of the side that connected are framed.
    #[getter]
    fn client(&self) -> String {
        self.0.client().to_string()
    }

    /// How the bytes of the side that listened are framed.
    #[getter]
    fn server(&self) -> String {
        self.0.server().to_string()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let line = self.0.to_string().into_pyobject(py)?;
        Ok(format!("Framing({})", line.repr()?))
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> (Py<PyAny>, (String,)) {
        let class = slf.get_type().into_any().unbind();
        (class, (slf.get().0.to_string(),))
    }
}

/// Of a framing (a line, a `Framing`, or nothing for the native one) the side whose bytes are meant: `"client"` or
/// `"server"`.
pub(crate) fn side(
    py: Python<'_>,
    framing: Option<&Bound<'_, PyAny>>,
    side: Option<&str>,
) -> PyResult<Side> {
    let framing = framing.map_or_else(
        || Ok(tenfold_codec::Framing::default()),
        |framing| parse(py, framing),
    )?;
    match side {
        Some("client") => Ok(framing.client().clone()),
        Some("server") => Ok(framing.server().clone()),
        None if framing.is_symmetric() => Ok(framing.client().clone()),
        None => Err(PyValueError::new_err(format!(
            "client and server are framed differently by {framing}: say side=\"client\" or \
             side=\"server\", for the one that writes these bytes"
        ))),
        Some(other) => Err(PyValueError::new_err(format!(
            "side is \"client\" or \"server\", not {other:?}"
        ))),
    }
}

fn parse(py: Python<'_>, framing: &Bound<'_, PyAny>) -> PyResult<tenfold_codec::Framing> {
    if let Ok(framing) = framing.cast::<Framing>() {
        return Ok(framing.get().0.clone());
    }
    match framing.cast::<PyString>() {
        Ok(line) => Framing::new(py, line.to_str()?).map(|framing| framing.0),
        Err(_) => Err(PyTypeError::new_err(
            "a framing is a line of text such as \"u32be\", or a Framing",
        )),
    }
}
