//! Reads the header of the PROXY protocol, versions 1 and 2, at the beginning of a stream.
//!
//! It must not read beyond the header: the bytes after it belong to TLS or HTTP. The caller sets
//! the deadline and decides which proxies are trusted.

use std::{
    io,
    net::{Ipv6Addr, SocketAddr},
};

use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

use crate::fixed;

/// The largest header of version 1, in bytes (section 2.1 of the specification).
const MAX_V1_BYTES: usize = 107;

const CONFIG: ParseConfig = ParseConfig { include_tlvs: false, allow_v1: true, allow_v2: true };

/// Reads the header.
///
/// # Errors
/// If the stream does not begin with such a header, the header is too large, or the stream ends
/// before its end.
pub(crate) async fn read(stream: &mut TcpStream) -> io::Result<Header> {
    let mut buffer = [0; fixed::PROXY_HEADER_BYTES];
    let mut consumed = 0;
    loop {
        let room = buffer.get_mut(consumed..).unwrap_or_default();
        let peeked = match stream.peek(room).await? {
            0 if room.is_empty() => return Err(invalid("the PROXY header is too large")),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            peeked => peeked,
        };
        let seen = buffer.get(..consumed + peeked).unwrap_or_default();
        let header = parse(seen)?;
        // If the header is incomplete, all bytes that were received belong to it.
        let length = header.as_ref().map_or(seen.len(), |header| header.length);
        stream.read_exact(buffer.get_mut(consumed..length).unwrap_or_default()).await?;
        consumed = length;
        if let Some(header) = header {
            return Ok(header);
        }
    }
}

/// A complete header.
#[derive(Debug, PartialEq)]
pub(crate) struct Header {
    /// The address of the proxy's client; `None` for the proxy's own health checks and for a Unix
    /// socket.
    pub(crate) source: Option<SocketAddr>,
    /// The header's bytes, if a zone was dropped from one of its addresses.
    pub(crate) zoned: Option<Box<[u8]>>,
    /// The length of the header, in bytes.
    pub(crate) length: usize,
}

/// Parses the first bytes of a stream. Returns `None` if the header is incomplete.
pub(crate) fn parse(seen: &[u8]) -> io::Result<Option<Header>> {
    // The parser applies the limit of version 1 only to an incomplete header. Without this cut, it
    // would depend on how the bytes arrive whether a longer header is accepted.
    let longest = if seen.starts_with(b"P") { MAX_V1_BYTES } else { fixed::PROXY_HEADER_BYTES };
    let seen = seen.get(..longest).unwrap_or(seen);
    if !has_zone(seen) {
        return parse_plain(seen);
    }
    let Some(end) = seen.windows(2).position(|two| two == b"\r\n") else {
        return if seen.len() < longest { Ok(None) } else { Err(invalid("the PROXY header is too large")) };
    };
    let line = seen.get(..end + 2).unwrap_or(seen);
    match parse_plain(&without_zones(line))? {
        Some(header) => Ok(Some(Header { length: line.len(), zoned: Some(line.into()), ..header })),
        None => Err(invalid("a trusted proxy sent no PROXY header")),
    }
}

fn parse_plain(seen: &[u8]) -> io::Result<Option<Header>> {
    match ProxyHeader::parse(seen, CONFIG) {
        Ok((header, length)) => Ok(Some(Header { source: source(&header, seen)?, zoned: None, length })),
        Err(proxy_header::Error::BufferTooShort) => Ok(None),
        Err(_) => Err(invalid("a trusted proxy sent no PROXY header")),
    }
}

/// Returns whether these bytes begin with a header of version 1 with a zone in an IPv6 address
/// (`fe80::1%eth0`, RFC 4007 section 11). A zone names an interface of the proxy, and the parser
/// does not accept it.
fn has_zone(seen: &[u8]) -> bool {
    let line = seen.split(|byte| *byte == b'\r').next().unwrap_or_default();
    line.starts_with(b"PROXY TCP6 ") && line.contains(&b'%')
}

fn without_zones(line: &[u8]) -> Vec<u8> {
    let zoneless = |word| {
        let (address, _) = std::str::from_utf8(word).ok()?.split_once('%')?;
        address.parse::<Ipv6Addr>().ok().map(|_| address.as_bytes())
    };
    let words = line.split(|byte| *byte == b' ').map(|word| zoneless(word).unwrap_or(word));
    words.collect::<Vec<_>>().join(&b' ')
}

fn source(header: &ProxyHeader<'_>, seen: &[u8]) -> io::Result<Option<SocketAddr>> {
    // The parser does not check the character after `PROXY`.
    if seen.starts_with(b"P") && !seen.starts_with(b"PROXY ") {
        return Err(invalid("a trusted proxy sent no PROXY header"));
    }
    match header.proxied_address() {
        None => Ok(None),
        Some(address) if address.protocol == Protocol::Stream => Ok(Some(address.source)),
        Some(_) => Err(invalid("the PROXY header is for datagrams")),
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;

    /// Returns the header that is read from a stream of these pieces, and the rest of the stream.
    async fn outcome(pieces: &[&[u8]]) -> (io::Result<Option<SocketAddr>>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.set_nodelay(true).unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let write = async move {
            for piece in pieces {
                // The reader may have closed the stream already.
                let _ = client.write_all(piece).await;
                tokio::task::yield_now().await;
            }
        };
        let (read, ()) = tokio::join!(read(&mut stream), write);
        let read = read.map(|header| header.source);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        (read, rest)
    }

    fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        header.extend([command, family]);
        header.extend((addresses.len() as u16).to_be_bytes());
        header.extend(addresses);
        header
    }

    #[tokio::test]
    async fn a_header_of_either_version_names_the_client_and_no_later_byte_is_read() {
        let v4 = [203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x67, 0x01, 0xbb];
        let mut v6 = [0; 36];
        v6[..2].copy_from_slice(&[0x20, 0x01]);
        v6[15] = 7;
        v6[32..34].copy_from_slice(&4711_u16.to_be_bytes());
        let extended = [&v4[..], &[4; 3000]].concat();
        let cases: [(Vec<u8>, Option<&str>); 11] = [
            (b"PROXY TCP6 fe80::7%eth0 fe80::1%2 4711 443\r\n".to_vec(), Some("[fe80::7]:4711")),
            (b"PROXY TCP6 2001::7 fe80::1%eth0 4711 443\r\n".to_vec(), Some("[2001::7]:4711")),
            (b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n".to_vec(), Some("203.0.113.7:4711")),
            (b"PROXY TCP6 2001::7 2001::1 4711 443\r\n".to_vec(), Some("[2001::7]:4711")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), None),
            (v2(0x21, 0x11, &v4), Some("203.0.113.7:4711")),
            (v2(0x21, 0x21, &v6), Some("[2001::7]:4711")),
            (v2(0x20, 0x00, &[]), None),
            (v2(0x21, 0x31, &[0; 216]), None),
            (v2(0x21, 0x11, &extended), Some("203.0.113.7:4711")),
        ];
        for (header, expected) in cases {
            let expected: Option<SocketAddr> = expected.map(|address| address.parse().unwrap());
            let whole = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            let bytes: Vec<&[u8]> = whole.chunks(1).collect();
            let halves: Vec<&[u8]> = header.chunks(20).chain([&b"GET / HTTP/1.1\r\n"[..]]).collect();
            for pieces in [&[&whole[..]][..], &halves, &bytes] {
                let (source, rest) = outcome(pieces).await;
                assert_eq!(source.unwrap(), expected, "{header:?}");
                assert_eq!(rest, b"GET / HTTP/1.1\r\n", "{header:?}");
            }
        }
    }

    #[tokio::test]
    async fn anything_else_is_an_error() {
        use io::ErrorKind::{InvalidData, UnexpectedEof};
        let long = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat();
        let zone = [b"PROXY TCP6 fe80::7%".to_vec(), vec![b'x'; 200]].concat();
        let long_and_whole = [&long[..], b"\r\n"].concat();
        let cases: [(Vec<u8>, io::ErrorKind); 19] = [
            (b"PROXY TCP6 2001::7 2001::1 4711 443%eth0\r\nGET / HTTP/1.1\r\n".to_vec(), InvalidData),
            (b"PROXY TCP6 2001::7 2001::1 4711 ::1%443\r\nGET / HTTP/1.1\r\n".to_vec(), InvalidData),
            (zone, InvalidData),
            (b"PROXY TCP4 203.0.113.7%eth0 10.0.0.1 4711 443\r\n".to_vec(), InvalidData),
            (b"PROXY TCP6 %eth0 2001::1 4711 443\r\n".to_vec(), InvalidData),
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), InvalidData),
            (b"POST / HTTP/1.1\r\n\r\n".to_vec(), InvalidData),
            (vec![0x16, 3, 1, 0, 200], InvalidData),
            (b"PROXYxTCP4 203.0.113.7 10.0.0.1 4711 443\r\n".to_vec(), InvalidData),
            (b"PROXY TCP4 203.0.113.7 10.0.0.1 4711\r\nGET / HTTP/1.1\r\n".to_vec(), InvalidData),
            (b"PROXY TCP4 2001::7 2001::1 4711 443\r\n".to_vec(), InvalidData),
            (b"PROXY UDP4 203.0.113.7 10.0.0.1 4711 443\r\n".to_vec(), InvalidData),
            (long, InvalidData),
            (long_and_whole, InvalidData),
            (v2(0x31, 0x11, &[0; 12]), InvalidData),
            (v2(0x21, 0x12, &[0; 12]), InvalidData),
            (v2(0x21, 0x11, &[0; 5000]), InvalidData),
            (b"PROXY TCP4 203.0".to_vec(), UnexpectedEof),
            (b"".to_vec(), UnexpectedEof),
        ];
        for (bytes, kind) in cases {
            let (source, _) = outcome(&[&bytes]).await;
            assert_eq!(source.unwrap_err().kind(), kind, "{:?}", &bytes[..bytes.len().min(60)]);
        }
    }
}
