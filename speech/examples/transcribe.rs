//! Recognises one file and prints what comes, with the time it took:
//! `cargo run -p speech --example transcribe -- FILE [LANGUAGE] [FROM_MS]`.
//! With `--child` it is the engine's own process.
#![expect(clippy::print_stdout, reason = "a program for the command line")]

use std::time::Instant;

use speech::whisper::Control;
use speech::{Job, WhisperEngine, weights};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let input = arguments.next().ok_or("which file?")?;
    if input == "--child" {
        speech::process::child_main();
    }
    let language = arguments.next().filter(|tag| tag != "auto");
    let from_ms = arguments.next().map_or(Ok(0), |ms| ms.parse())?;

    let begun = Instant::now();
    let weights = weights::ensure(&mut |progress| eprintln!("{progress}"))?;
    let engine = WhisperEngine::load(&weights)?;
    println!("loaded after {:?}", begun.elapsed());

    let begun = Instant::now();
    let job = Job::new(input).language(language).resume_from_ms(from_ms);
    let outcome = engine.recognise(&job, &Control::new(|| {}), &mut |event| {
        println!("{:6.2} s {event:?}", begun.elapsed().as_secs_f64());
        Ok(())
    });
    println!("{outcome:?} after {:?}", begun.elapsed());
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        for line in status.lines().filter(|line| line.starts_with("VmHWM")) {
            println!("{line}");
        }
    }
    Ok(())
}
