//! Instructions of a function's process, counted by valgrind. They depend on the program
//! and its work, and hardly on the machine or its load.
//!
//! Valgrind's processor lacks the SHA-256 instructions, so each connection counts for more
//! than on a real one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::Result;
use crate::function::{Function, Program};
use crate::programs::Programs;
use crate::world::World;

/// The instructions of one program.
#[derive(Debug, Clone, Copy)]
pub struct Instructions {
    pub name: &'static str,
    /// From the start of its process to its first request for an event.
    pub start: u64,
    /// The first invocation of a process, over unchanged connections.
    pub first: u64,
    /// Each later one.
    pub later: u64,
    pub connections: usize,
}

impl Instructions {
    pub fn each(&self) -> u64 {
        self.later / (self.connections as u64).max(1)
    }

    pub fn print(&self) {
        println!(
            "{:<24} {:>13} instructions to start, {:>13} in a first run, {:>13} in a later one \
             over {} unchanged connections: {} each",
            self.name,
            self.start,
            self.first,
            self.later,
            self.connections,
            self.each(),
        );
    }
}

/// Counts the instructions of a program over unchanged connections of a world.
pub async fn count(program: &Program, world: &World) -> Result<Instructions> {
    let mut recording = Function::start(program, world).await?;
    recording.invoke(&json!({})).await?;
    drop(recording);
    let mut after = Vec::new();
    for invocations in [0, 1, 3] {
        after.push(counted(program, world, invocations).await?);
    }
    Ok(Instructions {
        name: program.name,
        start: after[0],
        first: after[1].saturating_sub(after[0]),
        later: after[2].saturating_sub(after[1]) / 2,
        connections: world.connections(),
    })
}

/// Counts the instructions of a program's first run over a world of which nothing is on
/// record, without those of its start.
pub async fn of_first_seen(program: &Program, world: &World, start: u64) -> Result<u64> {
    Ok(counted(program, world, 1).await?.saturating_sub(start))
}

/// Counts the instructions of a program's later run over connections of which all have
/// changed, to a status that breaks no consumer.
pub async fn of_changed(program: &Program, world: &World) -> Result<u64> {
    world.change(100);
    let mut recording = Function::start(program, world).await?;
    world.next_round();
    recording.invoke(&json!({})).await?;
    drop(recording);
    // Every other round breaks consumers, which are looked up.
    let two = counted(program, world, 2).await?;
    let three = counted(program, world, 3).await?;
    Ok(three.saturating_sub(two))
}

/// Counts the instructions of a process with this number of invocations.
pub async fn counted(program: &Program, world: &World, invocations: u32) -> Result<u64> {
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join("callgrind.out");
    let mut file = OsString::from("--callgrind-out-file=");
    file.push(&output);
    let mut arguments: Vec<OsString> = vec!["--tool=callgrind".into(), "--quiet".into(), file];
    arguments.push(program.path.clone().into());
    arguments.extend(program.arguments.iter().cloned());
    let valgrind = Program {
        path: PathBuf::from("valgrind"),
        arguments,
        ..program.clone()
    };
    let mut function = Function::start(&valgrind, world).await?;
    for _ in 0..invocations {
        world.next_round();
        function.invoke(&json!({})).await?;
    }
    function.end()?;
    let text = std::fs::read_to_string(&output)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    Ok(total
        .ok_or("callgrind reported no totals")?
        .trim()
        .parse()?)
}

/// Counts and prints the instructions of all contestants.
pub async fn of_all(programs: &Programs, connections: usize) -> Result<Vec<Instructions>> {
    let mut counted = Vec::new();
    for program in &programs.contestants {
        let instructions = count(program, &World::new(connections).await?).await?;
        instructions.print();
        counted.push(instructions);
    }
    Ok(counted)
}
