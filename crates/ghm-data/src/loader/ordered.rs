//! Numbered work on threads, delivered in order through a bounded buffer.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::shield;

/// Which steps, on how many threads, with how many in flight.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// The steps in order of delivery.
    pub(super) steps: Range<usize>,
    /// Worker threads; 0 works on the consumer's.
    pub(super) threads: usize,
    /// Steps begun or finished but not yet consumed, at least 1.
    pub(super) queue: usize,
}

/// What a step came to: its result, or what a panic said.
type Outcome<T> = Result<T, String>;

/// One thread's way of doing a step; none when it saw the stop flag.
type Work<T> = Box<dyn FnMut(usize, &AtomicBool) -> Option<T> + Send>;

/// The results of numbered work, in order.
///
/// A worker needs a ticket to begin a step, and a ticket is handed out only when a result is consumed: that bounds the
/// memory and makes a slow consumer slow the workers down. Dropping this stops the workers and joins them.
pub(super) struct Ordered<T> {
    next: usize,
    end: usize,
    ticketed: usize,
    tickets: Option<Sender<usize>>,
    results: Receiver<(usize, Outcome<T>)>,
    early: BTreeMap<usize, Outcome<T>>,
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    /// Set when no thread works.
    inline: Option<Work<T>>,
}

impl<T> std::fmt::Debug for Ordered<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Ordered").field("next", &self.next).field("end", &self.end).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Ordered<T> {
    /// Starts the workers. `work` is called once a thread, and again after a panic, for a fresh state.
    pub(super) fn start<W>(schedule: Schedule, work: impl Fn() -> W + Send + Sync + 'static) -> Self
    where
        W: FnMut(usize, &AtomicBool) -> Option<T> + Send + 'static,
    {
        let Schedule { steps, threads, queue } = schedule;
        let queue = queue.clamp(1, steps.len().max(1));
        let (tickets, to_do) = bounded(queue);
        let (done, results) = bounded(queue);
        let stop = Arc::new(AtomicBool::new(false));
        let work: Arc<dyn Fn() -> Work<T> + Send + Sync> = Arc::new(move || Box::new(work()));
        // More threads than tickets or steps would only wait.
        let threads: Vec<_> = (0..threads.min(queue))
            .filter_map(|_| spawn(Worker { to_do: to_do.clone(), done: done.clone(), stop: Arc::clone(&stop) }, &work))
            .collect();
        let inline = threads.is_empty().then(|| work());
        let (next, end) = (steps.start, steps.end.max(steps.start));
        let mut ordered = Self {
            next,
            end,
            ticketed: next,
            tickets: Some(tickets),
            results,
            early: BTreeMap::new(),
            threads,
            stop,
            inline,
        };
        (0..queue).for_each(|_| ordered.hand_out_ticket());
        ordered
    }

    /// Steps not yet consumed.
    pub(super) fn left(&self) -> usize {
        self.end - self.next
    }

    fn hand_out_ticket(&mut self) {
        match &self.tickets {
            // There is room: as many tickets are out as results may wait.
            Some(tickets) if self.ticketed < self.end && tickets.send(self.ticketed).is_ok() => self.ticketed += 1,
            _ => self.tickets = None,
        }
    }

    fn wait_for(&mut self, step: usize) -> Outcome<T> {
        if let Some(work) = &mut self.inline {
            let never = AtomicBool::new(false);
            return shielded(|| work(step, &never)).and_then(|done| done.ok_or_else(|| "not made".to_owned()));
        }
        loop {
            if let Some(outcome) = self.early.remove(&step) {
                return outcome;
            }
            match self.results.recv() {
                Ok((done, outcome)) => self.early.insert(done, outcome),
                Err(_) => return Err("the loader's threads are gone".to_owned()),
            };
        }
    }
}

impl<T: Send + 'static> Iterator for Ordered<T> {
    type Item = (usize, Outcome<T>);

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.next;
        if step >= self.end {
            return None;
        }
        let outcome = self.wait_for(step);
        self.next += 1;
        self.hand_out_ticket();
        Some((step, outcome))
    }
}

impl<T> Drop for Ordered<T> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.tickets = None;
        for thread in self.threads.drain(..) {
            // A worker catches its panics; were one to die all the same, there is nothing left to do for it.
            let _ = thread.join();
        }
    }
}

/// A worker thread's ends of the channels.
struct Worker<T> {
    to_do: Receiver<usize>,
    done: Sender<(usize, Outcome<T>)>,
    stop: Arc<AtomicBool>,
}

fn spawn<T: Send + 'static>(
    worker: Worker<T>,
    work: &Arc<dyn Fn() -> Work<T> + Send + Sync>,
) -> Option<JoinHandle<()>> {
    let make_work = Arc::clone(work);
    let thread = std::thread::Builder::new().name("ghm-loader".to_owned()).spawn(move || {
        let mut work = make_work();
        for step in &worker.to_do {
            let outcome = match shielded(|| work(step, &worker.stop)) {
                Ok(Some(made)) => Ok(made),
                Ok(None) => return,
                Err(reason) => {
                    work = make_work();
                    Err(reason)
                }
            };
            if worker.stop.load(Ordering::Relaxed) || worker.done.send((step, outcome)).is_err() {
                return;
            }
        }
    });
    thread.inspect_err(|error| tracing::warn!("a loader thread could not be started: {error}")).ok()
}

/// Runs `work`; a panic becomes an error with what it said, so that nobody waits for its result for ever.
pub(super) fn shielded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    shield::shielded(work).map_err(|said| format!("the loader failed: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn schedule(threads: usize, queue: usize) -> Schedule {
        Schedule { steps: 0..40, threads, queue }
    }

    #[test]
    fn results_come_in_order_for_any_number_of_threads() {
        for threads in [0, 1, 2, 5] {
            let results = Ordered::start(schedule(threads, 7), || |step: usize, _: &AtomicBool| Some(step * 10));
            let expected: Vec<_> = (0..40).map(|step| (step, Ok(step * 10))).collect();
            assert_eq!(results.collect::<Vec<_>>(), expected, "{threads} threads");
        }
    }

    #[test]
    fn no_step_begins_before_there_is_room_for_its_result() {
        const QUEUE: usize = 3;
        let asked = Arc::new(AtomicUsize::new(0));
        let most_ahead = Arc::new(AtomicUsize::new(0));
        let (asked_by_now, ahead) = (Arc::clone(&asked), Arc::clone(&most_ahead));
        let mut results = Ordered::start(schedule(5, QUEUE), move || {
            let (asked, ahead) = (Arc::clone(&asked_by_now), Arc::clone(&ahead));
            move |step: usize, _: &AtomicBool| {
                ahead.fetch_max((step + 1).saturating_sub(asked.load(Ordering::SeqCst)), Ordering::SeqCst);
                Some(step)
            }
        });
        loop {
            asked.fetch_add(1, Ordering::SeqCst);
            if results.next().is_none() {
                break;
            }
        }
        // Asking for result n hands out a ticket while the count already says n, so at most the queue is ahead.
        assert!((1..=QUEUE).contains(&most_ahead.load(Ordering::SeqCst)));
    }

    #[test]
    fn dropping_it_early_ends_the_threads() {
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let mut results = Ordered::start(schedule(4, 4), move || {
            let held = Arc::clone(&held);
            move |step: usize, _: &AtomicBool| Some((step, Arc::strong_count(&held))).map(|(step, _)| step)
        });
        assert_eq!(results.next(), Some((0, Ok(0))));
        drop(results);
        assert_eq!(Arc::strong_count(&alive), 1);
    }

    #[test]
    fn a_panic_is_the_outcome_of_its_step_alone() {
        for threads in [0, 1, 3] {
            let results: Vec<_> = Ordered::start(schedule(threads, 3), || {
                |step: usize, _: &AtomicBool| {
                    assert!(step != 2, "step two");
                    Some(step)
                }
            })
            .collect();
            assert_eq!(results.len(), 40);
            assert!(results[2].1.as_ref().is_err_and(|reason| reason.contains("step two")));
            assert_eq!(results.iter().filter(|(_, outcome)| outcome.is_err()).count(), 1);
        }
    }

    #[test]
    fn no_steps_are_no_results() {
        let none = Schedule { steps: 5..5, threads: 2, queue: 2 };
        assert_eq!(Ordered::start(none, || |step: usize, _: &AtomicBool| Some(step)).count(), 0);
    }
}
