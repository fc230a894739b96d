//! How long each part of something repeated takes.

use std::time::Instant;

use burn::tensor::Device;

use super::seconds::Seconds;

/// Times of parts that follow each other, again and again.
pub struct PartClock {
    device: Device,
    last: Instant,
    parts: Vec<(String, Vec<f64>)>,
    /// The place of the next part in its repeat.
    next: usize,
}

impl PartClock {
    /// Nothing is measured before [`PartClock::start`].
    pub fn new(device: &Device) -> Self {
        Self { device: device.clone(), last: Instant::now(), parts: Vec::new(), next: 0 }
    }

    /// A repeat begins.
    pub fn start(&mut self) {
        self.wait();
        (self.last, self.next) = (Instant::now(), 0);
    }

    /// The next part, of this name, is through.
    pub fn lap(&mut self, name: impl ToString) {
        self.wait();
        let now = Instant::now();
        if self.next == self.parts.len() {
            self.parts.push((name.to_string(), Vec::new()));
        }
        self.parts[self.next].1.push((now - self.last).as_secs_f64());
        (self.last, self.next) = (now, self.next + 1);
    }

    /// Forgets the repeats so far.
    pub fn forget(&mut self) {
        self.parts.clear();
    }

    /// The parts in order, and all together.
    pub fn finish(self) -> (Vec<(String, Seconds)>, Seconds) {
        let repeats = self.parts.iter().map(|(_, times)| times.len()).min().unwrap_or(0);
        let total = (0..repeats).map(|repeat| self.parts.iter().map(|(_, times)| times[repeat]).sum()).collect();
        (self.parts.into_iter().map(|(name, times)| (name, Seconds::of(times))).collect(), Seconds::of(total))
    }

    /// A device that computes while the host goes on is waited for, so that a part has its own time.
    fn wait(&self) {
        // A device that failed will fail again where its results are asked for.
        let _ = self.device.sync();
    }
}
