//! CRC-32C (Castagnoli; RFC 3720, appendix B.4), which is the only check in the log.

use crc_fast::{CrcAlgorithm, Digest};

/// The check of some bytes.
pub(crate) fn of(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// The check of bytes that others stand before, from the check of those.
pub(crate) fn append(before: u32, bytes: &[u8]) -> u32 {
    // The digest's state is the check before its last step, which turns over all bits.
    let state = u64::from(!before);
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, state);
    digest.update(bytes);
    u32::try_from(digest.finalize()).unwrap_or_else(|_| unreachable!("a CRC-32 has 32 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checks_are_those_of_the_rfc() {
        assert_eq!(of(b""), 0);
        assert_eq!(of(b"123456789"), 0xe306_9283);
        assert_eq!(of(&[0; 32]), 0x8a91_36aa);
        assert_eq!(of(&[0xff; 32]), 0x62a8_ab43);
        let counting: Vec<u8> = (0..32).collect();
        assert_eq!(of(&counting), 0x46dd_794e);
    }

    #[test]
    fn the_check_of_the_whole_follows_from_its_parts() {
        let bytes: Vec<u8> = (0..=250).cycle().take(3000).collect();
        for end in (0..=bytes.len()).step_by(37) {
            let (front, back) = bytes.split_at(end);
            assert_eq!(append(of(front), back), of(&bytes));
        }
    }
}
