//! A full disk, and a directory without rights.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{refused, rewrite};
use crate::support::{Workplace, contents, text};

const MEBIBYTE: u64 = 1 << 20;

/// A file system of its own, where the machine lets one be mounted.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, mebibytes: u64) -> Option<Self> {
        fs::create_dir(at).unwrap();
        mount(at, &format!("size={mebibytes}m")).then(|| Self(at.to_owned()))
    }

    /// Gives it another size, which must hold what is on it.
    fn resize(&self, mebibytes: u64) {
        assert!(mount(&self.0, &format!("remount,size={mebibytes}m")), "it cannot have {mebibytes} MiB");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

fn mount(at: &Path, options: &str) -> bool {
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at);
    command.output().is_ok_and(|output| output.status.success())
}

#[test]
fn a_full_disk_while_saving_spares_the_earlier_checkpoints() {
    let place = Workplace::new();
    let Some(disk) = SmallDisk::mount(&place.path("disk"), 1024) else {
        eprintln!("skipped: no small file system can be mounted here");
        return;
    };
    // The optimiser with the smaller history.
    let large = ["schedule.epochs=1", "optimiser.kind=sgd", "model.base_channels=64"];
    place.done(&["train", "recipe.toml", large[0], large[1], large[2], "--out", "disk/run"]);
    rewrite(&place.path("disk/run/recipe.toml"), |text| text.replace("epochs = 1\n", "epochs = 2\n"));
    let saved = contents(&place.path("disk/run/checkpoints"));
    // A checkpoint takes ten times what is left, the logs and sample pictures a tenth of it.
    let used: u64 = saved.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    disk.resize(used / MEBIBYTE + 8);
    let output = place.ghm(&["train", "--resume", "disk/run"]);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("checkpoints/last.new") && message.contains("free some space"), "{message}");
    assert!(contents(&place.path("disk/run/checkpoints")) == saved, "the earlier checkpoints were changed");
    place.done(&["eval", "disk/run"]);

    // With room again it goes on from the last of them.
    disk.resize(1024);
    place.done(&["train", "--resume", "disk/run"]);
    let steps = fs::read_to_string(place.path("disk/run/metrics.jsonl")).unwrap();
    assert_eq!(steps.lines().count(), 12);
}

#[test]
fn a_directory_without_rights_is_refused() {
    let place = Workplace::new();
    let locked = place.path("locked");
    fs::create_dir(&locked).unwrap();
    let mut rights = fs::metadata(&locked).unwrap().permissions();
    rights.set_readonly(true);
    fs::set_permissions(&locked, rights).unwrap();
    if fs::write(locked.join("probe"), "").is_ok() {
        // The superuser may write anywhere; a file in the folder's place refuses even him.
        fs::remove_dir_all(&locked).unwrap();
        fs::write(&locked, "").unwrap();
    }
    refused(&place, &["train", "recipe.toml", "--out", "locked/run"], &["locked/run"]);
}
