//! Works on something step by step, so that it can be ended after any of them, the same each
//! time: a step is what happens between two waits.
//!
//! The store has threads of its own, and whether one of them is ready when it is asked is
//! chance. So they are only let go on while the work waits: what is read apart stands behind a
//! [`Gate`], and what was written is answered by a task of this very runtime. Time stands
//! still while the store works, and goes on at once where nothing but time is waited for.

use crate::vendor::Shared;
use domain::Timestamp;
use state::Store;
use state::sync::Follower;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Occupies the one thread of the runtime for what is done apart. While it is there, time
/// stands still.
struct Gate {
    open: mpsc::Sender<()>,
    is_open: JoinHandle<()>,
}

impl Gate {
    fn shut() -> Self {
        let (open, opened) = mpsc::channel();
        let is_open = tokio::task::spawn_blocking(move || {
            opened.recv().ok();
        });
        Self { open, is_open }
    }

    /// What stands behind it goes on.
    fn open(self) -> JoinHandle<()> {
        self.open.send(()).ok();
        self.is_open
    }
}

/// Whether the work has something to do.
#[derive(Default)]
struct Woken {
    is_woken: AtomicBool,
    outer: Mutex<Option<Waker>>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::SeqCst);
        if let Some(outer) = self.outer.lock().expect("a waker").take() {
            outer.wake();
        }
    }
}

impl Woken {
    fn is_now(&self) -> bool {
        self.is_woken.load(Ordering::SeqCst)
    }

    async fn wait(&self) {
        poll_fn(|context| {
            *self.outer.lock().expect("a waker") = Some(context.waker().clone());
            if self.is_now() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Works on something to its end; `None` when it was ended after so many steps.
pub async fn drive<T>(
    (shared, store): (&Shared, &Store),
    steps: Option<usize>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let follower = Follower::new().expect("a follower");
    // Whatever was written before this has been answered after it.
    let quiet = async || {
        let nobody = store.follow_sync(0, follower, Duration::ZERO, Timestamp(0)).await;
        assert_eq!(nobody.ok(), Some(false), "there is no such sync");
    };
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut work = Box::pin(tokio::task::unconstrained(work));
    let mut gate = Gate::shut();
    for step in 1.. {
        woken.is_woken.store(false, Ordering::SeqCst);
        let polled = pin!(&mut work).poll(&mut Context::from_waker(&waker));
        if let Poll::Ready(done) = polled {
            drop(work);
            gate.open().await.ok();
            return Some(done);
        }
        if Some(step) == steps {
            drop(work);
            quiet().await;
            gate.open().await.ok();
            return None;
        }
        if woken.is_now() {
            continue;
        }
        // What is told meanwhile wakes it as well: it is to be all there when it is looked at.
        let may_wait = std::mem::take(&mut shared.lock().expect("a world").is_unsettled);
        if may_wait {
            quiet().await;
            gate.open().await.ok();
            // Now nothing but time can wake it, and if nothing else does, time does.
            woken.wait().await;
            gate = Gate::shut();
        } else {
            let next = Gate::shut();
            drop(gate.open());
            woken.wait().await;
            gate = next;
        }
    }
    None
}
