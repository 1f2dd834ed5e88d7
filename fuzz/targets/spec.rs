#![no_main]
libfuzzer_sys::fuzz_target!(|text: &[u8]| a3_fuzz::read_spec(text));
