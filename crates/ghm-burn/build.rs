//! Takes the burn example out of `ghm-loss`'s README, so that the tests compile what people read.

use std::path::Path;
use std::{env, fs};

fn main() {
    let readme = Path::new("../ghm-loss/README.md");
    println!("cargo::rerun-if-changed={}", readme.display());
    let text = fs::read_to_string(readme).unwrap_or_default();
    let code = text.split("```rust,ignore\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
    let path = Path::new(&env::var_os("OUT_DIR").unwrap_or_default()).join("readme_example.rs");
    // Doc comments and uses stand as they are; what is read has to be seen from the test.
    if let Err(error) = fs::write(&path, code.replace("\nfn train", "\npub fn train")) {
        println!("cargo::error=cannot write {}: {error}", path.display());
    }
}
