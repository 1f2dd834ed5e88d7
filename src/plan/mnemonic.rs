//! Mnemonic names of instances, `furious_varahamihira`: easier to say and to tell apart than
//! `i-0ab1…`, and the same for everyone, since they come from deployment, slot and generation.

use sha2::Digest as _;

use crate::id::Slot;

/// The name of the slot's instance in its `generation`. Not unique, so never an identity.
pub fn name(deployment: &str, slot: &Slot, generation: u32) -> String {
    let mut hash = sha2::Sha256::new();
    for part in [deployment, &slot.to_string(), &generation.to_string()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let hash = hash.finalize();
    format!("{}_{}", pick(&ADJECTIVES, &hash[..8]), pick(&SCIENTISTS, &hash[8..16]))
}

/// Chosen by eight bytes; the lists are so short that no word is likelier than another in any way
/// that could be noticed.
fn pick(words: &[&'static str], bytes: &[u8]) -> &'static str {
    let number = bytes.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    let index = usize::try_from(number % words.len() as u64).unwrap_or(0);
    words.get(index).copied().unwrap_or("nameless")
}

#[rustfmt::skip]
const ADJECTIVES: [&str; 108] = [
    "able", "agile", "amber", "ample", "ardent", "autumn", "balmy", "bold", "brave", "bright", "brisk",
    "calm", "candid", "careful", "cheerful", "chipper", "clear", "clever", "cosmic", "crisp", "curious",
    "daring", "deft", "devoted", "dreamy", "driven", "eager", "earnest", "elated", "elegant", "epic",
    "fabled", "fair", "fearless", "festive", "fluent", "fond", "frank", "frosty", "furious", "gallant",
    "gentle", "gifted", "glad", "golden", "graceful", "grand", "happy", "hardy", "hearty", "honest",
    "humble", "jolly", "jovial", "joyful", "keen", "kind", "lively", "loyal", "lucid", "lucky", "mellow",
    "merry", "mighty", "mindful", "modest", "musing", "neat", "nimble", "noble", "patient", "placid",
    "plucky", "polite", "proud", "quick", "quiet", "radiant", "rapid", "relaxed", "robust", "rustic",
    "serene", "sharp", "silent", "sincere", "sleepy", "snowy", "solid", "sparkling", "spry", "stoic",
    "sunny", "swift", "tender", "thrifty", "tidy", "tranquil", "upbeat", "vibrant", "vigilant", "vivid",
    "warm", "wise", "wistful", "witty", "zealous", "zesty",
];

/// Scientists and mathematicians, by surname or the one name they are known by.
#[rustfmt::skip]
const SCIENTISTS: [&str; 149] = [
    "abel", "agnesi", "alhazen", "ampere", "anning", "archimedes", "aryabhata", "avicenna", "avogadro",
    "babbage", "banach", "bardeen", "bassi", "becquerel", "bernoulli", "bhabha", "bhaskara", "blackwell",
    "bohr", "boltzmann", "bolyai", "boole", "borlaug", "bose", "boyle", "brahe", "brahmagupta", "burnell",
    "cannon", "cantor", "carson", "cartwright", "cauchy", "cavendish", "chandrasekhar", "chatelet",
    "chebyshev", "copernicus", "cori", "coulomb", "crick", "curie", "cuvier", "dalton", "darwin", "davy",
    "dedekind", "descartes", "dijkstra", "dirac", "doppler", "eddington", "einstein", "elion", "euclid",
    "euler", "faraday", "fermat", "fermi", "feynman", "fibonacci", "fleming", "fourier", "franklin",
    "fresnel", "galileo", "galois", "gauss", "gibbs", "godel", "goeppert", "halley", "hamilton",
    "hawking", "heisenberg", "herschel", "hertz", "hilbert", "hodgkin", "hooke", "hopper", "hubble",
    "hutton", "huygens", "hypatia", "jenner", "joliot", "joule", "kapitsa", "kelvin", "kepler", "khayyam",
    "khorana", "knuth", "kovalevskaya", "lagrange", "lalande", "lamarr", "lamport", "laplace",
    "lavoisier", "leavitt", "leibniz", "liskov", "lovelace", "mahavira", "margulis", "maxwell", "mayer",
    "mcclintock", "meitner", "mendel", "mendeleev", "merian", "mirzakhani", "napier", "nash", "newton",
    "nightingale", "nobel", "noether", "oppenheimer", "pascal", "pasteur", "pauling", "payne", "planck",
    "poincare", "ptolemy", "raman", "ramanujan", "ritchie", "roentgen", "rubin", "rutherford", "sagan",
    "salk", "shannon", "shockley", "somerville", "tesla", "turing", "varahamihira", "visvesvaraya",
    "wiles", "wu", "yalow", "yonath", "zhukovsky",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_the_same_for_everyone() {
        // Pinned: who changes a list or the hash renames everybody's next instances.
        assert_eq!(name("music", &Slot::new("web", 0), 1), "daring_rutherford");
        assert_eq!(name("music", &Slot::new("web", 0), 2), "furious_joliot");
    }

    #[test]
    fn slots_generations_and_deployments_differ() {
        let slots = (0..20).map(|index| name("music", &Slot::new("web", index), 1));
        let generations = (2..20).map(|generation| name("music", &Slot::new("web", 0), generation));
        let deployments = (0..20).map(|n| name(&format!("music-{n}"), &Slot::new("web", 0), 1));
        let names: BTreeSet<String> = slots.chain(generations).chain(deployments).collect();
        assert!(names.len() >= 57, "{names:?}");
    }

    #[test]
    fn words_are_plain_sorted_and_unlike() {
        for words in [&ADJECTIVES[..], &SCIENTISTS[..]] {
            assert!(words.is_sorted());
            assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len());
            assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase())));
        }
        assert!(SCIENTISTS.contains(&"varahamihira") && ADJECTIVES.contains(&"furious"));
    }
}
