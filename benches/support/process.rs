//! Resource use of processes, from `/proc`.

#![allow(dead_code, reason = "each benchmark uses a part of it")]
#![allow(clippy::cast_precision_loss, reason = "far below 2^52")]

use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What a command took.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    pub seconds: f64,
    pub processor_seconds: f64,
    pub peak_mebibytes: f64,
}

/// Runs a command without output and measures its process.
pub async fn watch(
    command: &mut Command,
) -> Result<(ExitStatus, Took), Box<dyn std::error::Error>> {
    const INTERVAL: Duration = Duration::from_millis(10);
    const MEBIBYTE: u64 = 1 << 20;
    let began = Instant::now();
    let mut process = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let number = process.id();
    let (mut peak, mut processor_seconds) = (0, 0.0);
    let status = loop {
        if let Some(status) = process.try_wait()? {
            break status;
        }
        // The value of the last sample.
        peak = peak_bytes(&number.to_string()).unwrap_or(peak);
        // Ended threads are not included.
        let running = running_seconds(number).unwrap_or_default();
        processor_seconds = running.max(processor_seconds);
        tokio::time::sleep(INTERVAL).await;
    };
    let took = Took {
        seconds: began.elapsed().as_secs_f64(),
        processor_seconds,
        peak_mebibytes: peak as f64 / MEBIBYTE as f64,
    };
    Ok((status, took))
}

/// Returns the peak resident memory (`VmHWM`) of a process: `self` or its id.
pub fn peak_bytes(process: &str) -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kibibytes.ok_or("no VmHWM")?.parse::<u64>()? * 1024)
}

/// Returns the CPU time of all threads of a process, in seconds. It is finer than
/// `/proc/PID/stat`, which counts hundredths of a second.
/// <https://docs.kernel.org/scheduler/sched-stats.html>
pub fn running_seconds(process: u32) -> Result<f64, Box<dyn std::error::Error>> {
    let mut nanoseconds = 0.0;
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        let first = text.split_whitespace().next().ok_or("an empty schedstat")?;
        nanoseconds += first.parse::<f64>()?;
    }
    Ok(nanoseconds / 1e9)
}
