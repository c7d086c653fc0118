//! The machine: its cores, its limits, and its description for the report. Linux only, because of
//! the CPU clocks.

use std::{fs, process::Command, time::SystemTime};

use anyhow::Context as _;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::resource::{Resource, getrlimit, setrlimit},
    unistd::Pid,
};

/// The cores of the server and the load generator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) generator: usize,
}

impl Cores {
    /// Returns the first and the last core that this process may use. They must differ.
    pub(crate) fn choose() -> anyhow::Result<Self> {
        let allowed = allowed_cores()?;
        match allowed[..] {
            [server, .., generator] => Ok(Self { server, generator }),
            _ => anyhow::bail!("this needs two cores: one for the server, one for the load generator"),
        }
    }
}

/// The cores that this process may use.
pub(crate) fn allowed_cores() -> anyhow::Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0)).context("the cores cannot be read")?;
    Ok((0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap_or(false)).collect())
}

/// Pins this process, and all threads that it starts later, to one core.
pub(crate) fn pin_to(core: usize) -> anyhow::Result<()> {
    pin_to_all(&[core])
}

/// Pins this process to these cores.
pub(crate) fn pin_to_all(cores: &[usize]) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    for &core in cores {
        set.set(core)?;
    }
    sched_setaffinity(Pid::from_raw(0), &set).context("the process cannot be pinned")
}

/// A command that runs the command in its last arguments on one core.
pub(crate) fn pinned_to(core: usize) -> Command {
    let mut taskset = Command::new("taskset");
    taskset.args(["--cpu-list", &core.to_string()]);
    taskset
}

/// Raises the limit of open files as far as the system allows: 10 000 connections need as many.
pub(crate) fn raise_file_limit() -> anyhow::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("the limit of open files cannot be raised")
}

/// The machine and the date of a measurement.
pub(crate) struct Description {
    /// In UTC, in the format of RFC 3339.
    pub(crate) date: String,
    pub(crate) hardware: String,
    pub(crate) kernel: String,
    /// The load average of the last minute: the number of processes that wanted to run.
    pub(crate) load_average: String,
}

/// Describes the machine. It counts the cores that this process may use, so it is called before
/// pinning.
pub(crate) fn describe() -> Description {
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown CPU", |(_, model)| model.trim());
    let is_virtual =
        information.lines().any(|line| line.starts_with("flags") && line.contains(" hypervisor"));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = allowed_cores().map_or(0, |cores| cores.len());
    let kind = if is_virtual { " (virtual machine)" } else { "" };
    Description {
        date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        hardware: format!("{cores} cores of {model}{kind}"),
        kernel: format!("Linux {}", kernel.trim()),
        load_average: load.split_whitespace().next().unwrap_or("unknown").to_owned(),
    }
}
