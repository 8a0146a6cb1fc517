//! The head of a request, from what HTTP/2 has in its place.

use h2::RecvStream;
use http::{HeaderMap, Method, Request};

use crate::head::{Head, MAX_HEADERS, Version};
use crate::problem::Problem;
use crate::status::Status;

/// The head of a request. Its `:authority` is what a `Host` is to HTTP/1.1, and there are not two that differ.
pub(super) fn head(request: &Request<RecvStream>) -> Result<Head, Problem> {
    if request.headers().len() >= MAX_HEADERS {
        let words = format!("a request has at most {MAX_HEADERS} headers");
        return Err(Problem::new(Status::HEAD_TOO_LARGE, words));
    }
    let version = Version::Http2 {
        has_body: !request.body().is_end_stream(),
    };
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let headers = headers(authority, request.headers())?;
    let target = request.uri().path_and_query();
    let target = target.map_or("", http::uri::PathAndQuery::as_str);
    let method: &Method = request.method();
    Head::of(method.as_str(), target, version, headers)
}

fn headers(authority: Option<&str>, map: &HeaderMap) -> Result<Vec<(String, String)>, Problem> {
    let mut headers = Vec::with_capacity(map.len() + 1);
    if let Some(authority) = authority {
        headers.push(("host".to_owned(), authority.to_owned()));
    }
    for (name, value) in map {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if name == http::header::HOST
            && let Some(authority) = authority
        {
            if !value.eq_ignore_ascii_case(authority) {
                return Err(Problem::bad("host is not what :authority is"));
            }
            continue;
        }
        headers.push((name.as_str().to_owned(), value));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(authority: Option<&str>, hosts: &[&str]) -> Result<Vec<String>, u16> {
        let mut map = HeaderMap::new();
        for host in hosts {
            map.append(http::header::HOST, host.parse().unwrap());
        }
        let headers = headers(authority, &map).map_err(|problem| problem.status().code())?;
        Ok(headers.into_iter().map(|(_, value)| value).collect())
    }

    #[test]
    fn a_host_is_the_authority_or_says_the_same() {
        assert_eq!(hosts(Some("a:1"), &[]), Ok(vec!["a:1".to_owned()]));
        assert_eq!(hosts(Some("a:1"), &["A:1"]), Ok(vec!["a:1".to_owned()]));
        assert_eq!(hosts(None, &["a:1"]), Ok(vec!["a:1".to_owned()]));
        assert_eq!(hosts(None, &[]), Ok(vec![]));
        assert_eq!(hosts(Some("a:1"), &["b:1"]), Err(400));
        assert_eq!(hosts(Some("a:1"), &["a:1", "b:1"]), Err(400));
    }
}
