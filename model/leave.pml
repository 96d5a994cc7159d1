/* A member of a Poller leaves. One who closes its EVD, perhaps under a lock, wants the
 * goroutine to touch its CQ no more; the goroutine may be in an upcall of another member,
 * which wants that lock, or closes the member itself. Labels as in README.md.
 */
bit stop, leaving, inside, lock;
bit gone, over;                     /* let go; the closer has come back: the CQ may be freed */
bit back;                           /* the goroutine has nothing more to do */

inline letgo() { atomic { if :: leaving -> gone = 1; leaving = 0 :: else -> skip fi } }
inline leave() {
#ifndef M_STOP_LATE
  stop = 1;
#endif
#ifdef M_INSIDE_FIRST
  saw = inside; leaving = 1;                                 /* [G6] */
#else
  leaving = 1; saw = inside;                                 /* [G6] before the look at inside */
#endif
#ifndef M_NOT_HERE
  if :: saw -> letgo() :: else -> skip fi;
#endif
#ifdef M_STOP_LATE
  stop = 1;
#endif
  gone; over = 1
}
proctype closer() { bit saw;
  atomic { !lock -> lock = 1 };
  leave();
  lock = 0
}
inline touch() { assert(!over) }    /* looks at the CQ, arms it */
proctype goroutine() { byte k; bit saw, stopped;
  do
  :: k < 2 ->                       /* the other member: an upcall that wants the lock */
     k++;
#ifdef M_LOOK_FIRST
     if :: leaving -> letgo() :: else -> skip fi;
     inside = 1;
#else
     inside = 1;                                             /* [G5] before the look at leaving */
     if :: leaving -> letgo() :: else -> skip fi;
#endif
#ifdef SELF
     if :: !over -> leave() :: else -> skip fi;
#else
     atomic { !lock -> lock = 1 }; lock = 0;
#endif
     inside = 0                                              /* [G7] before the orders */
  :: k < 2 ->                       /* the member: first its orders */
     k++;
#ifdef M_NO_ORDERS
     stopped = 0;
#else
     stopped = stop;
#endif
     if
     :: stopped -> if :: leaving -> letgo() :: else -> skip fi
     :: else ->
        touch();
        /* a run of its own: of a machine that has ended it finds nothing to do */
        inside = 1; if :: leaving -> letgo() :: else -> skip fi; inside = 0;
#ifndef M_ORDERS_ONCE
        if :: stop -> skip :: else -> touch() fi
#else
        touch()
#endif
     fi
  :: k == 2 -> break
  od;
#ifdef SELF
  inside = 1; if :: !over -> leave() :: else -> skip fi; inside = 0;
#endif
  do                                /* it sleeps, and is told of one who leaves */
  :: leaving && stop -> letgo()
  :: gone -> break
  od;
  back = 1
}
/* When nothing moves any more all are back. */
proctype rest() { timeout -> assert(over && back && !lock) }
init { atomic {
#ifndef SELF
  run closer();
#endif
  run goroutine(); run rest() } }
