//! Any loss of this crate on the tensors of a file: value and gradient, from and to safetensors.
//!
//!     cargo run --release -p ghm-loss --example loss_of_file -- --loss ghm-c --bins 30 IN.safetensors OUT.safetensors

mod arguments;
mod run;
mod tensors;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    match run::run(&arguments) {
        Ok(values) => {
            for (step, value) in values.iter().enumerate() {
                println!("value[{step}] = {value}");
            }
            ExitCode::SUCCESS
        }
        Err(refusal) => {
            eprintln!("error: {refusal}");
            ExitCode::from(2)
        }
    }
}
