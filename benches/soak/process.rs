//! Resource use of a process, from /proc, and its trend.

use std::fs;

/// A sample of the resource use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Held {
    pub memory: f64,
    pub files: f64,
    pub sockets: f64,
    pub threads: f64,
}

impl Held {
    /// Samples the process `pid`, memory in MiB.
    /// <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>
    pub fn by(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let word = line.and_then(|line| line.split_whitespace().next());
            word.and_then(|word| word.parse::<f64>().ok()).expect(name)
        };
        let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
        let links: Vec<_> = files
            .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
            .collect();
        let is_socket = |link: &&std::path::PathBuf| link.to_string_lossy().starts_with("socket:");
        Self {
            memory: number("VmRSS:") / 1024.0,
            files: links.len() as f64,
            sockets: links.iter().filter(is_socket).count() as f64,
            threads: number("Threads:"),
        }
    }
}

/// The course of one value, by the number of runs before it.
pub struct Course(pub Vec<(f64, f64)>);

impl Course {
    pub fn of(held: &[(usize, Held)], figure: impl Fn(&Held) -> f64) -> Self {
        let points = held.iter().map(|(runs, held)| (*runs as f64, figure(held)));
        Self(points.collect())
    }

    pub fn first(&self) -> f64 {
        self.0.first().map_or(0.0, |(_, value)| *value)
    }

    pub fn last(&self) -> f64 {
        self.0.last().map_or(0.0, |(_, value)| *value)
    }

    pub fn median(&self) -> f64 {
        let mut values: Vec<f64> = self.0.iter().map(|(_, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    }

    pub fn most(&self) -> f64 {
        self.0.iter().fold(0.0, |most, (_, value)| value.max(most))
    }

    /// Returns the growth in 1,000 runs by linear regression. It leaves out the first tenth,
    /// in which a process is still warming up.
    pub fn slope(&self) -> f64 {
        let points = &self.0[self.0.len() / 10..];
        let n = points.len() as f64;
        let mean = |part: fn(&(f64, f64)) -> f64| points.iter().map(part).sum::<f64>() / n;
        let (x, y) = (mean(|p| p.0), mean(|p| p.1));
        let both: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
        let square: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
        if square > 0.0 {
            both / square * 1000.0
        } else {
            0.0
        }
    }
}
