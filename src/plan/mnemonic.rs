//! placeholder
/// x
pub fn name(_: &str, slot: &crate::id::Slot, generation: u32) -> String {
    format!("{slot}{generation}")
}
