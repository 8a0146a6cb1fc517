//! The cases, for every pair of a writer and a reader over every transport.

use crate::cases;
use crate::choppy::Cut;
use crate::drivers::{Blocking, Tokio};
use crate::wires::Wire;

macro_rules! suite {
    ($($name:ident: $writer:ty => $reader:ty, $wire:expr;)*) => {$(
        mod $name {
            use super::*;

            suite!(@cases [$writer, $reader] $wire;
                a_small_batch
                no_message_at_all
                empty_messages
                a_thousand_messages_in_one_segment
                more_than_the_high_water_mark
                large_messages_between_small_ones
                large_stuffed_and_delimited_messages
                marks
                sides_and_steps
                a_message_in_pieces
                a_message_over_the_limit_is_left_out
            );
            suite!(@cases [$reader] $wire;
                a_stream_cut_in_a_header
                a_stream_cut_behind_a_header
                a_stream_cut_in_a_payload
                a_message_over_the_limit
                a_bad_header_behind_good_messages
                what_another_protocol_says_first
            );
        }
    )*};
    (@cases $drivers:tt $wire:expr; $($case:ident)*) => {$(
        suite!(@case $drivers $wire; $case);
    )*};
    (@case [$($driver:ty),*] $wire:expr; $case:ident) => {
        #[test]
        fn $case() {
            cases::$case::<$($driver),*>($wire);
        }
    };
}

suite! {
    blocking_in_memory: Blocking => Blocking, Wire::Memory(Cut::Whole);
    blocking_byte_by_byte: Blocking => Blocking, Wire::Memory(Cut::OneByte);
    blocking_cut_at_random: Blocking => Blocking, Wire::Memory(Cut::Random(1));
    blocking_over_tcp: Blocking => Blocking, Wire::Tcp;
    blocking_over_unix: Blocking => Blocking, Wire::Unix;
    tokio_in_memory: Tokio => Tokio, Wire::Memory(Cut::Whole);
    tokio_byte_by_byte: Tokio => Tokio, Wire::Memory(Cut::OneByte);
    tokio_cut_at_random: Tokio => Tokio, Wire::Memory(Cut::Random(2));
    tokio_over_tcp: Tokio => Tokio, Wire::Tcp;
    tokio_over_unix: Tokio => Tokio, Wire::Unix;
    blocking_to_tokio: Blocking => Tokio, Wire::Tcp;
    tokio_to_blocking: Tokio => Blocking, Wire::Unix;
}
