//! Writes the pixels of a picture file, red, green, blue, row by row from the top, to stdout, and `WIDTH HEIGHT` to stderr:
//! for goldens that other software makes of the pixels that are seen here, since decoders differ by a grey level.
//!
//! `cargo run --release -p ghm-data --example pixels_of_file PICTURE.jpg > pixels.rgb`

use std::error::Error;
use std::io::Write;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("give a picture file")?;
    let picture = ghm_data::decode(path.as_ref())?;
    eprintln!("{} {}", picture.width, picture.height);
    std::io::stdout().write_all(&picture.pixels)?;
    Ok(())
}
