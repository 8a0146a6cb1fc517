//! What files and directories there are: as the system sees them, and as the disk has them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::ops::Range;

use super::change::{Change, Id, Keep, Pending, ROOT, View};
use super::content::{BLOCK, Content, blocks_of};
use super::fault::{Call, Fault, Kind, Verdict, judge};

/// Everything that a memory knows.
#[derive(Clone, Default)]
pub(super) struct State {
    /// What reads see.
    pub(super) volatile: View,
    /// What a crash leaves in any case.
    pub(super) durable: View,
    /// The changes that lead from what is durable to what reads see, in the order in which they were made,
    /// without those that a failed sync gave up.
    pub(super) pending: Vec<Pending>,
    /// The changes of the call during which the process ended.
    pub(super) last: Vec<Pending>,
    pub(super) directories: BTreeSet<Id>,
    /// Files that a failed sync gave up changes of.
    diverged: BTreeSet<Id>,
    /// What a refused write would have added to a file: later syncs of it do not write that either.
    stuck: BTreeMap<Id, Range<u64>>,
    /// Files of which a write was refused that no sync has told of.
    pub(super) untold: BTreeSet<Id>,
    /// How many blocks are reserved, from the start of the file.
    reserved: BTreeMap<Id, u64>,
    next: Id,
    /// How often each file is open.
    open: BTreeMap<Id, u64>,
    /// How many files can be open at once.
    pub(super) most_files: Option<u64>,
    /// What a sync would tell of a file is forgotten when nobody has it open.
    pub(super) forgets_closed: bool,
    pub(super) space: Option<u64>,
    pub(super) trace: Vec<Call>,
    pub(super) faults: Vec<Fault>,
    pub(super) stop: Option<u64>,
    pub(super) gone: bool,
    /// The locks that are held: how many holders share each, or 0 for one holder alone.
    pub(super) locks: BTreeMap<Id, u64>,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            directories: [ROOT].into(),
            next: ROOT + 1,
            ..Self::default()
        }
    }

    /// Another machine with the same files and directories: without locks, faults and calls.
    pub(super) fn same(&self) -> Self {
        Self {
            volatile: self.volatile.clone(),
            durable: self.durable.clone(),
            pending: self.pending.clone(),
            directories: self.directories.clone(),
            diverged: self.diverged.clone(),
            stuck: self.stuck.clone(),
            untold: self.untold.clone(),
            reserved: self.reserved.clone(),
            next: self.next,
            ..Self::default()
        }
    }

    /// A machine that starts with what a disk holds.
    pub(super) fn started(&self, disk: View) -> Self {
        Self {
            volatile: disk.clone(),
            durable: disk,
            directories: self.directories.clone(),
            next: self.next,
            ..Self::default()
        }
    }

    /// Notes a call, and decides what becomes of it.
    pub(super) fn begin(&mut self, call: &mut Call) -> Verdict {
        if self.gone {
            return Verdict::Gone;
        }
        call.number = self.trace.len() as u64;
        self.trace.push(call.clone());
        if self.stop.is_some_and(|stop| call.number >= stop) {
            self.gone = true;
            return Verdict::Stop;
        }
        judge(&mut self.faults, call)
    }

    /// Makes the changes of a call, or what its verdict leaves of them.
    pub(super) fn carry_out(&mut self, verdict: Verdict, changes: Vec<Pending>) -> io::Result<()> {
        match verdict {
            Verdict::Go | Verdict::Short => {
                self.change(changes, Keep::All);
                Ok(())
            }
            Verdict::Fail(error, landing) => {
                self.change(changes, landing);
                Err(error)
            }
            Verdict::Stop => {
                self.last = changes;
                Err(gone())
            }
            Verdict::Gone => Err(gone()),
        }
    }

    /// Makes changes, not durably.
    pub(super) fn change(&mut self, changes: Vec<Pending>, keep: Keep) {
        for Pending { call, id, change } in changes {
            for change in change.keep(keep) {
                change.make(id, &mut self.volatile);
                if matches!(change, Change::SetLength(_)) {
                    self.reserved.remove(&id);
                }
                let call = call.clone();
                self.pending.push(Pending { call, id, change });
            }
        }
    }

    /// Makes a file durable.
    pub(super) fn sync(&mut self, id: Id) {
        let pending = self.take_pending(|pending| pending.id == id && is_of_file(pending));
        let durable = self.written_back(id, &pending);
        self.durable.files.insert(id, durable);
    }

    /// What a file holds on disk when these changes are written there.
    fn written_back(&mut self, id: Id, pending: &[Pending]) -> Content {
        let volatile = self.volatile.file(id).clone();
        if !self.diverged.contains(&id) {
            return volatile;
        }
        // The system writes whole blocks as it has them in memory, with changes that were given up before.
        let mut content = self.durable.file(id).clone();
        for pending in pending {
            match &pending.change {
                Change::Write { offset, bytes } => {
                    content.take_blocks(&volatile, blocks_of(*offset, bytes.len() as u64));
                }
                Change::Extend(length) => content.extend(*length),
                Change::SetLength(length) => content.set_length(*length),
                _ => {}
            }
        }
        if let Some(stuck) = self.stuck.get(&id) {
            content.clear(stuck.clone());
        }
        content
    }

    /// What a file holds on disk once its waiting changes are written.
    pub(super) fn on_disk(&mut self, id: Id) -> Content {
        let of_file = |pending: &&Pending| pending.id == id && is_of_file(pending);
        let pending: Vec<_> = self.pending.iter().filter(of_file).cloned().collect();
        self.written_back(id, &pending)
    }

    /// Gives up the waiting changes of a file, except for what `landing` keeps.
    pub(super) fn fail_sync(&mut self, id: Id, landing: Keep) {
        let pending = self.take_pending(|pending| pending.id == id && is_of_file(pending));
        if !pending.is_empty() && landing != Keep::All {
            self.diverged.insert(id);
            let stuck = self.durable.file(id).length()..self.volatile.file(id).length();
            let before = self.stuck.get(&id).filter(|before| !before.is_empty());
            let from = before.map_or(stuck.start, |before| before.start.min(stuck.start));
            self.stuck.insert(id, from..stuck.end);
        }
        self.land(pending, landing);
    }

    /// Gives up the waiting changes of all files. The next sync of each of these tells of it.
    pub(super) fn refuse_writes(&mut self) {
        let waiting = self.pending.iter().filter(|pending| is_of_file(pending));
        let files: BTreeSet<Id> = waiting.map(|pending| pending.id).collect();
        for id in files {
            self.fail_sync(id, Keep::None);
            if !self.forgets_closed || self.open.contains_key(&id) {
                self.untold.insert(id);
            }
        }
    }

    pub(super) fn opened(&mut self, id: Id) {
        *self.open.entry(id).or_default() += 1;
    }

    pub(super) fn closed(&mut self, id: Id) {
        match self.open.get_mut(&id) {
            Some(times) if *times > 1 => *times -= 1,
            _ => {
                self.open.remove(&id);
                if self.forgets_closed {
                    self.untold.remove(&id);
                }
            }
        }
    }

    pub(super) fn has_too_many_open(&self) -> bool {
        self.most_files
            .is_some_and(|most| self.open.values().sum::<u64>() >= most)
    }

    /// Makes the names in a directory durable.
    pub(super) fn sync_dir(&mut self, directory: Id) {
        let pending = self.take_names(directory);
        self.land(pending, Keep::All);
    }

    /// Gives up the changes of names in a directory that are not durable, except for what `landing` keeps.
    pub(super) fn fail_sync_dir(&mut self, directory: Id, landing: Keep) {
        let pending = self.take_names(directory);
        self.land(pending, landing);
    }

    /// Makes durable what `landing` keeps of changes.
    fn land(&mut self, pending: Vec<Pending>, landing: Keep) {
        for Pending { id, change, .. } in pending {
            for change in change.keep(landing) {
                change.make(id, &mut self.durable);
            }
        }
    }

    /// The changes that a sync of a directory is about. A move is one change of two directories, and
    /// what happened before to the names of what is moved belongs to it.
    fn take_names(&mut self, directory: Id) -> Vec<Pending> {
        let mut moved = BTreeSet::new();
        let mut taken = BTreeSet::new();
        for (index, Pending { id, change, .. }) in self.pending.iter().enumerate().rev() {
            let before = change.named().is_some_and(|named| moved.contains(&named));
            if before || change.touches(*id, directory) {
                taken.insert(index);
                if let Change::Move { id, .. } = change {
                    moved.insert(*id);
                }
            }
        }
        let mut index = 0..;
        self.take_pending(|_| index.next().is_some_and(|index| taken.contains(&index)))
    }

    fn take_pending(&mut self, which: impl FnMut(&mut Pending) -> bool) -> Vec<Pending> {
        self.pending.extract_if(.., which).collect()
    }

    /// Makes a file durable as reads see it, whatever was given up.
    pub(super) fn settle(&mut self, id: Id) {
        self.diverged.remove(&id);
        self.stuck.remove(&id);
        self.untold.remove(&id);
        self.sync(id);
    }

    /// Makes everything durable as reads see it.
    pub(super) fn settle_all(&mut self) {
        self.durable = self.volatile.clone();
        self.pending.clear();
        self.diverged.clear();
        self.stuck.clear();
        self.untold.clear();
    }

    /// Makes the names along a path durable as reads see them, whatever was given up.
    pub(super) fn settle_names(&mut self, path: &str) {
        let mut directory = ROOT;
        for name in path.split('/') {
            self.sync_dir(directory);
            let Some(&id) = self.volatile.names(directory).get(name) else {
                self.durable.names(directory).remove(name);
                return;
            };
            self.durable.names(directory).insert(name.to_owned(), id);
            directory = id;
        }
    }

    /// Forgets files and directories that have no name.
    pub(super) fn prune(&mut self) {
        let mut reached = BTreeSet::from([ROOT]);
        let mut open = vec![ROOT];
        while let Some(id) = open.pop() {
            for view in [&self.volatile, &self.durable] {
                for &id in view
                    .directories
                    .get(&id)
                    .into_iter()
                    .flatten()
                    .map(|(_, id)| id)
                {
                    if reached.insert(id) {
                        open.push(id);
                    }
                }
            }
        }
        for pending in &self.pending {
            reached.extend(pending.change.named());
        }
        let kept = |id: &Id| reached.contains(id);
        for view in [&mut self.volatile, &mut self.durable] {
            view.files.retain(|id, _| kept(id));
            view.directories.retain(|id, _| kept(id));
        }
        self.pending.retain(|pending| kept(&pending.id));
        self.directories.retain(kept);
        self.diverged.retain(kept);
        self.stuck.retain(|id, _| kept(id));
        self.untold.retain(kept);
        self.reserved.retain(|id, _| kept(id));
    }

    /// An ID for a new file or directory, which gets a name next.
    pub(super) fn new_id(&mut self, directory: bool) -> Id {
        let id = self.next;
        self.next += 1;
        if directory {
            self.directories.insert(id);
        }
        id
    }

    pub(super) fn is_directory(&self, id: Id) -> bool {
        self.directories.contains(&id)
    }

    /// The directory that a path ends in, its last name, and what has that name.
    pub(super) fn find<'p>(&self, path: &'p str) -> io::Result<(Id, &'p str, Option<Id>)> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let above = self.directory(above)?;
        let names = self.volatile.directories.get(&above);
        Ok((
            above,
            name,
            names.and_then(|names| names.get(name)).copied(),
        ))
    }

    /// What has a path.
    pub(super) fn id(&self, path: &str) -> io::Result<Id> {
        self.find(path)?
            .2
            .ok_or_else(|| error(ErrorKind::NotFound, path))
    }

    /// The file that has a path.
    pub(super) fn file_at(&self, path: &str) -> io::Result<Id> {
        let id = self.id(path)?;
        if self.is_directory(id) {
            return Err(error(ErrorKind::IsADirectory, path));
        }
        Ok(id)
    }

    /// The directory that has a path.
    pub(super) fn directory(&self, path: &str) -> io::Result<Id> {
        if path.is_empty() {
            return Ok(ROOT);
        }
        let id = self.id(path)?;
        if !self.is_directory(id) {
            return Err(error(ErrorKind::NotADirectory, path));
        }
        Ok(id)
    }

    /// How many bytes of a range there is space for.
    pub(super) fn room(&self, id: Id, offset: u64, length: u64) -> u64 {
        let Some(space) = self.space else {
            return length;
        };
        let mut free = space.saturating_sub(self.used());
        for block in blocks_of(offset, length) {
            if self.takes_room(id, block) {
                continue;
            }
            if free < BLOCK {
                return (block * BLOCK).saturating_sub(offset).min(length);
            }
            free -= BLOCK;
        }
        length
    }

    /// Reserves a range; tells whether there is space.
    pub(super) fn reserve(&mut self, id: Id, offset: u64, length: u64) -> bool {
        let enough = self.room(id, offset, length) == length;
        if enough {
            let reserved = self.reserved.entry(id).or_default();
            *reserved = (*reserved).max(blocks_of(offset, length).end);
        }
        enough
    }

    fn takes_room(&self, id: Id, block: u64) -> bool {
        let content = self.volatile.files.get(&id);
        block < self.reserved.get(&id).copied().unwrap_or(0)
            || content.is_some_and(|content| content.has_block(block))
    }

    /// The bytes of all blocks that files take, or have reserved, that have a name.
    pub(super) fn used(&self) -> u64 {
        let files = self.volatile.named_files(|id| self.is_directory(id));
        let blocks = files.iter().map(|(_, id)| {
            let reserved = self.reserved.get(id).copied().unwrap_or(0);
            let content = self.volatile.files.get(id);
            reserved + content.map_or(0, |content| content.blocks_from(reserved))
        });
        blocks.sum::<u64>() * BLOCK
    }
}

/// Whether a change is of the contents of a file, and not of a name.
fn is_of_file(pending: &Pending) -> bool {
    pending.change.named().is_none()
}

/// A change that a call makes.
pub(super) fn pending(call: &Call, id: Id, change: Change) -> Pending {
    let call = call.clone();
    Pending { call, id, change }
}

/// An error that names a path.
pub(super) fn error(kind: ErrorKind, path: &str) -> io::Error {
    io::Error::new(kind, format!("{path}: {kind}"))
}

/// What every call fails with after the end of the process.
pub(super) fn gone() -> io::Error {
    io::Error::other("the process has ended")
}

/// Plans the changes of calls that give names.
impl State {
    /// The file that a call opens, and the changes that this makes.
    pub(super) fn plan_open(
        &mut self,
        call: &Call,
        create: bool,
    ) -> io::Result<(Id, Vec<Pending>)> {
        let (above, name, found) = self.find(&call.path)?;
        match found {
            Some(_) => Ok((self.file_at(&call.path)?, Vec::new())),
            None if create && !name.is_empty() => {
                let (id, name) = (self.new_id(false), name.to_owned());
                Ok((id, vec![pending(call, above, Change::Link { name, id })]))
            }
            None => Err(error(ErrorKind::NotFound, &call.path)),
        }
    }

    pub(super) fn plan_create_dir(&mut self, call: &Call) -> io::Result<Vec<Pending>> {
        let mut changes = Vec::new();
        let mut above = ROOT;
        let mut end = 0;
        for name in call.path.split('/').filter(|name| !name.is_empty()) {
            end += name.len();
            let found = self.volatile.directories.get(&above);
            let found = found.and_then(|names| names.get(name)).copied();
            above = match found {
                Some(id) if self.is_directory(id) => id,
                Some(_) => return Err(error(ErrorKind::NotADirectory, &call.path)),
                None => {
                    let (id, name) = (self.new_id(true), name.to_owned());
                    let mut call = call.clone();
                    call.path.truncate(end);
                    changes.push(pending(&call, above, Change::Link { name, id }));
                    id
                }
            };
            end += 1;
        }
        Ok(changes)
    }

    pub(super) fn plan_rename(&self, call: &Call, to: &str) -> io::Result<Vec<Pending>> {
        let (from, _, _) = self.find(&call.path)?;
        let id = self.id(&call.path)?;
        let (to_directory, name, replaced) = self.find(to)?;
        if replaced == Some(id) {
            return Ok(Vec::new());
        }
        if let Some(replaced) = replaced {
            let names = self.volatile.directories.get(&replaced);
            let refused = match (self.is_directory(id), self.is_directory(replaced)) {
                (false, true) => Some(ErrorKind::IsADirectory),
                (true, false) => Some(ErrorKind::NotADirectory),
                (true, true) if names.is_some_and(|names| !names.is_empty()) => {
                    Some(ErrorKind::DirectoryNotEmpty)
                }
                _ => None,
            };
            if let Some(kind) = refused {
                return Err(error(kind, to));
            }
        }
        let (to, name) = (to_directory, name.to_owned());
        Ok(vec![pending(call, from, Change::Move { id, to, name })])
    }

    pub(super) fn plan_remove(&self, call: &Call) -> io::Result<Vec<Pending>> {
        let (above, name, _) = self.find(&call.path)?;
        let id = if call.kind == Kind::RemoveDir {
            self.directory(&call.path)?
        } else {
            self.file_at(&call.path)?
        };
        let names = self.volatile.directories.get(&id);
        if id == ROOT || names.is_some_and(|names| !names.is_empty()) {
            return Err(error(ErrorKind::DirectoryNotEmpty, &call.path));
        }
        let name = name.to_owned();
        Ok(vec![pending(call, above, Change::Unlink { name, id })])
    }
}
