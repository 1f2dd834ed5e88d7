#![no_main]
libfuzzer_sys::fuzz_target!(|text: &str| a3_fuzz::read_known_hosts(text));
