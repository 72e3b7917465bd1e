//! Small files on their way to their final names.

use std::path::Path;
use std::sync::Arc;

use piton_durable::fs::Fs;
use piton_durable::land::{Landed, Lander, Landing, Room};
use piton_durable::part::PartError;
use tokio::sync::{Notify, oneshot};

/// Small files on their way to their final names, for those who can wait without a thread.
pub(crate) struct Landings {
    lander: Lander,
    on_room: Arc<Notify>,
}

impl Landings {
    pub(crate) fn start(fs: &Arc<dyn Fs>) -> std::io::Result<Self> {
        let on_room = Arc::new(Notify::new());
        let notify = Arc::clone(&on_room);
        let lander = Lander::start(Arc::clone(fs), move || notify.notify_waiters())?;
        Ok(Self { lander, on_room })
    }

    /// Waits until a file of so many bytes may be received (G2, G8).
    pub(crate) async fn room(&self, bytes: usize) -> Room {
        loop {
            let mut noticed = std::pin::pin!(self.on_room.notified());
            noticed.as_mut().enable();
            if let Some(room) = self.lander.room(bytes) {
                return room;
            }
            noticed.await;
        }
    }

    /// Gives the file its final name; ends when it is as durable as was asked for. Dropping the future
    /// does not take it back.
    pub(crate) fn land(
        &self,
        room: Room,
        landing: Landing,
    ) -> impl Future<Output = Result<Landed, PartError>> + use<> {
        let path = landing.path.clone();
        let (tell, told) = oneshot::channel();
        let told_to = Box::new(move |ended| {
            // Whoever does not wait any more is as after a kill.
            let _ = tell.send(ended);
        });
        self.lander.land(room, landing, told_to);
        async move { told.await.unwrap_or_else(|_| Err(no_answer(&path))) }
    }
}

fn no_answer(path: &Path) -> PartError {
    let source = std::io::Error::other("the thread that saves small files has died");
    PartError::Io { what: "save", path: path.to_owned(), source }
}
