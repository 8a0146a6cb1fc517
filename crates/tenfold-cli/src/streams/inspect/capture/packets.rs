//! The packets of a capture, as far as they are TCP.

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};

use crate::failure::Failure;

/// Bytes of the buffer in which a packet is read, and the most to which it grows.
const BUFFER: usize = 1 << 20;
const LARGEST_BUFFER: usize = 64 << 20;

/// A piece of one direction of a TCP connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    /// Microseconds since 1970.
    pub(super) micros: i64,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) number: u32,
    pub(super) begins: bool,
    pub(super) answers: bool,
    pub(super) ends: bool,
    pub(super) payload: &'a [u8],
}

/// What else was in a capture.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Others {
    /// Packets that are not TCP, or not whole enough to tell.
    pub(super) packets: u64,
    /// The capture ends inside a packet.
    pub(super) is_cut: bool,
}

/// How packets of an interface are to be read.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link: Linktype,
    /// Units of time in a second, and seconds that are to be added.
    resolution: u64,
    offset: i64,
}

/// Whether a file that begins so is a capture: pcap in either order and resolution, or pcapng.
pub(super) fn is_capture(head: [u8; 4]) -> bool {
    matches!(
        head,
        [0xd4, 0xc3, 0xb2, 0xa1]
            | [0xa1, 0xb2, 0xc3, 0xd4]
            | [0x4d, 0x3c, 0xb2, 0xa1]
            | [0xa1, 0xb2, 0x3c, 0x4d]
            | [0x0a, 0x0d, 0x0d, 0x0a]
    )
}

/// Gives each segment of the capture, in the order of the file.
pub(super) fn each(path: &Path, mut to: impl FnMut(Segment<'_>)) -> Result<Others, Failure> {
    let cannot =
        |problem: String| Failure::Other(format!("cannot read {}: {problem}", path.display()));
    let file = File::open(path).map_err(|error| cannot(error.to_string()))?;
    let mut reader = create_reader(BUFFER, file)
        .map_err(|error| cannot(format!("it is not a capture: {error}")))?;
    let (mut interfaces, mut others, mut size) = (Vec::new(), Others::default(), BUFFER);
    loop {
        let next = match reader.next() {
            Ok((length, block)) => {
                if let Some(packet) = packet(&block, &mut interfaces) {
                    match segment(packet.link, packet.bytes, packet.micros) {
                        Some(segment) => to(segment),
                        None => others.packets += 1,
                    }
                }
                Ok(length)
            }
            Err(error) => Err(error.to_owned_vec()),
        };
        match next {
            Ok(length) => reader.consume(length),
            Err(PcapError::Eof) => return Ok(others),
            Err(PcapError::Incomplete(_)) if !reader.reader_exhausted() => {
                reader.refill().map_err(|error| cannot(error.to_string()))?;
            }
            Err(PcapError::Incomplete(_) | PcapError::UnexpectedEof) => {
                others.is_cut = true;
                return Ok(others);
            }
            Err(PcapError::BufferTooSmall) if size < LARGEST_BUFFER => {
                size *= 2;
                reader.grow(size);
            }
            Err(error) => return Err(cannot(format!("a damaged block: {error}"))),
        }
    }
}

/// A packet as it was captured.
struct Packet<'a> {
    link: Linktype,
    micros: i64,
    bytes: &'a [u8],
}

fn packet<'a>(
    block: &'a PcapBlockOwned<'a>,
    interfaces: &mut Vec<Interface>,
) -> Option<Packet<'a>> {
    match block {
        PcapBlockOwned::LegacyHeader(header) => {
            let resolution = if header.is_nanosecond_precision() {
                1_000_000_000
            } else {
                1_000_000
            };
            let interface = Interface {
                link: header.network,
                resolution,
                offset: 0,
            };
            *interfaces = vec![interface];
            None
        }
        PcapBlockOwned::Legacy(block) => {
            let interface = interfaces.first()?;
            let part =
                i64::from(block.ts_usec) * 1_000_000 / i64::try_from(interface.resolution).ok()?;
            Some(Packet {
                link: interface.link,
                micros: i64::from(block.ts_sec) * 1_000_000 + part,
                bytes: block.data,
            })
        }
        PcapBlockOwned::NG(block) => of_pcapng(block, interfaces),
    }
}

fn of_pcapng<'a>(block: &'a Block<'a>, interfaces: &mut Vec<Interface>) -> Option<Packet<'a>> {
    match block {
        Block::SectionHeader(_) => interfaces.clear(),
        Block::InterfaceDescription(block) => interfaces.push(Interface {
            link: block.linktype,
            resolution: block
                .ts_resolution()
                .filter(|units| *units > 0)
                .unwrap_or(1_000_000),
            offset: block.ts_offset(),
        }),
        Block::EnhancedPacket(block) => {
            let interface = interfaces.get(usize::try_from(block.if_id).ok()?)?;
            let units = u128::from(block.ts_high) << 32 | u128::from(block.ts_low);
            let micros =
                i64::try_from(units * 1_000_000 / u128::from(interface.resolution)).ok()?;
            let captured = usize::try_from(block.caplen).ok()?;
            return Some(Packet {
                link: interface.link,
                micros: micros.checked_add(interface.offset.checked_mul(1_000_000)?)?,
                bytes: block.data.get(..captured)?,
            });
        }
        Block::SimplePacket(block) => {
            let captured = block.data.len().min(usize::try_from(block.origlen).ok()?);
            return Some(Packet {
                link: interfaces.first()?.link,
                micros: 0,
                bytes: &block.data[..captured],
            });
        }
        _ => {}
    }
    None
}

/// The TCP segment in a packet of this link.
fn segment(link: Linktype, bytes: &[u8], micros: i64) -> Option<Segment<'_>> {
    let of_type = |bytes: &[u8]| {
        Some(EtherType(u16::from_be_bytes([
            *bytes.first()?,
            *bytes.get(1)?,
        ])))
    };
    let packet = match link {
        Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(bytes).ok()?,
        Linktype::NULL | Linktype::LOOP => LaxSlicedPacket::from_ip(bytes.get(4..)?).ok()?,
        // Linux' "any" interface, in both versions.
        Linktype::LINUX_SLL => {
            LaxSlicedPacket::from_ether_type(of_type(bytes.get(14..)?)?, bytes.get(16..)?)
        }
        Linktype::LINUX_SLL2 => LaxSlicedPacket::from_ether_type(of_type(bytes)?, bytes.get(20..)?),
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 | Linktype(12 | 14) => {
            LaxSlicedPacket::from_ip(bytes).ok()?
        }
        _ => return None,
    };
    let (from, to): (IpAddr, IpAddr) = match packet.net? {
        LaxNetSlice::Ipv4(ip) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        ),
        LaxNetSlice::Ipv6(ip) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        ),
        LaxNetSlice::Arp(_) => return None,
    };
    let Some(TransportSlice::Tcp(tcp)) = packet.transport else {
        return None;
    };
    Some(Segment {
        micros,
        from: SocketAddr::new(from, tcp.source_port()),
        to: SocketAddr::new(to, tcp.destination_port()),
        number: tcp.sequence_number(),
        begins: tcp.syn(),
        answers: tcp.ack(),
        ends: tcp.fin() || tcp.rst(),
        payload: tcp.payload(),
    })
}
