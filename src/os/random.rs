//! Random bytes that nobody can foresee. They come from the system, many at a time, for all that a
//! thread does.

use std::cell::RefCell;

/// The number of bytes that are asked for at a time.
const POOL: usize = 1024;

thread_local! {
    // Without a destructor, so that it is there as long as the thread is.
    static BYTES: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; POOL], next: POOL }) };
}

/// Random bytes, each of which is used once.
struct Pool {
    bytes: [u8; POOL],
    next: usize,
}

impl Pool {
    #[inline]
    fn take<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], getrandom::Error> {
        if self.next + SIZE > POOL {
            self.refill()?;
        }
        let mut taken = [0; SIZE];
        taken.copy_from_slice(&self.bytes[self.next..self.next + SIZE]);
        self.next += SIZE;
        Ok(taken)
    }

    #[cold]
    fn refill(&mut self) -> Result<(), getrandom::Error> {
        getrandom::fill(&mut self.bytes)?;
        self.next = 0;
        Ok(())
    }
}

/// Random bytes that nobody can foresee.
#[inline]
pub(crate) fn random<const SIZE: usize>() -> Result<[u8; SIZE], getrandom::Error> {
    BYTES.with_borrow_mut(Pool::take)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn sizes_of_any_kind_come_out_of_one_pool() {
        let seen: HashSet<[u8; 16]> = (0..500)
            .map(|_| {
                let _odd: [u8; 7] = random().unwrap();
                random().unwrap()
            })
            .collect();
        assert_eq!(seen.len(), 500);
    }

    #[test]
    fn no_thread_has_the_bytes_of_another() {
        let draw = || (0..200).map(|_| random().unwrap()).collect::<Vec<[u8; 8]>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(draw)).collect();
        let all = threads.into_iter().flat_map(|thread| thread.join().unwrap());
        assert_eq!(all.collect::<HashSet<_>>().len(), 800);
    }
}
