/* When the waiter for an io_uring may sleep (hwcq/uring). Labels as in README.md.
 * The portable shape: the kernel shows completions by itself and signals the eventfd
 * unless it is disabled. With OWNER: the kernel queues task work, and shows completions
 * only in a call of the owner's. A poller takes, arms, looks, sleeps; with ELSEWHERE it
 * only sleeps, and tells another one, who does the rest.
 */
#ifndef N
#define N 2                         /* completions */
#endif
#ifndef CQ
#define CQ 4                        /* places of the completion queue */
#endif
#ifndef NSUB
#define NSUB 0                      /* requests that another thread submits; done when fetched */
#endif
#ifndef NWAKE
#define NWAKE 0
#endif
#define AWAKE 0
#define ASLEEP 1
#define RUNG 2

byte tail, head;                    /* completion queue: shown, taken */
byte held;                          /* what did not fit: the kernel keeps it, and signals nothing */
byte work;                          /* task work */
bit ovf, taskrun;                   /* CQ_OVERFLOW, TASKRUN */
bit dis = 1;                        /* CQ_EVENTFD_DISABLED */
bit sig, rang;                      /* in the eventfd: the kernel's, others' */
byte armed;                         /* 0, or the tail at the arm + 1 */
bit owed, woken, closing, gone, token;
byte parked;
byte sub, fetched;                  /* submission queue: tail, head */
byte got;

/* the kernel */
inline post(p) {
  atomic {
    if
    :: held == 0 && tail - head < CQ -> tail++; p = 1
    :: else -> held++; ovf = 1
    fi
  }
}
inline signal(d) {
  d = dis;
  if :: !d -> sig = 1 :: else -> skip fi
}
proctype kernel() { byte i; bit p, d;
  do
  :: i < N -> i++; p = 0;
#ifdef OWNER
     atomic { p = (work == 0); work++ };
     if :: p -> taskrun = 1; signal(d) :: else -> skip fi
#else
     post(p);
     if :: p -> signal(d) :: else -> skip fi
#endif
  :: else -> break
  od
}
/* io_uring_enter with GETEVENTS */
inline enter() {
  p = 0; n = sub - fetched;
  do :: n > 0 -> n--; fetched++; post(p) :: else -> break od;
#ifdef OWNER
  taskrun = 0;
  atomic { n = work; work = 0 };
  do :: n > 0 -> n--; post(p) :: else -> break od;
#endif
  atomic {
    do :: held > 0 && tail - head < CQ -> held--; tail++; p = 1 :: else -> break od;
    if :: held == 0 -> ovf = 0 :: else -> skip fi
  };
  if :: p -> signal(d) :: else -> skip fi;
  n = 0; p = 0; d = 0
}

/* ours */
#ifdef M_TAIL_ONLY
#define FLAGS 0
#else
#define FLAGS (ovf || taskrun || sub != fetched)                 /* [U3] */
#endif
#define SOMETHING (tail != head || FLAGS)

inline nudge() {
  k = parked;
  if
  :: k == ASLEEP ->
     atomic { if :: parked == ASLEEP -> parked = RUNG :: else -> k = AWAKE fi };
     if :: k == ASLEEP -> rang = 1 :: else -> skip fi             /* [U8] */
  :: else -> skip
  fi
}
inline wake() {
#ifdef M_NUDGE_FIRST
  nudge(); woken = 1
#else
  atomic { k = woken; woken = 1 };                                /* [U0] before the look at parked */
  if
  :: k == 0 ->
#ifdef OWNER
     nudge()
#else
     rang = 1
#endif
  :: else -> skip
  fi
#endif
}
inline arm() {
  t = tail;
#ifdef M_WORD_FIRST
  dis = 0;
#endif
  atomic { a = armed; armed = t + 1 };                            /* [U1] before the word, and the look */
#ifdef OWNER
  if :: a != 0 && a != t + 1 -> owed = 1 :: else -> skip fi
#else
#ifndef M_WORD_FIRST
  dis = 0                                                         /* [U2] then look */
#else
  skip
#endif
#endif
}
inline poll() {
  if
  :: tail == head && FLAGS -> enter()
  :: else -> skip
  fi;
  t = tail;
  got = got + t - head; head = t
}
/* what the poller found in the eventfd */
inline signalled() {
  do
  :: a = armed;
     if :: a != 0 -> ev = 1 :: else -> skip fi;
     t = tail;
     if
#ifndef M_STALE
     :: a == t + 1 -> break                                       /* [U4] of an earlier arm */
#endif
     :: else ->
#ifdef M_TAKE_FIRST
        atomic { p = (armed == a); if :: p -> armed = 0 :: else -> skip fi };
        dis = 1;
#else
        dis = 1;                                                  /* [U4] before the arm is taken */
        atomic { p = (armed == a); if :: p -> armed = 0; assert(a != tail + 1) :: else -> skip fi };
#endif
        if
        :: p -> break
        :: else ->
#ifdef M_NO_REDO
           break
#else
           dis = 0                                                /* [U5] then look at the tail */
#endif
        fi
     fi
  od;
  a = 0; p = 0
}
inline wait() {
  ev = 0;
  do
  :: ev != 0 -> break
  :: ev == 0 && heard -> heard = 0; woken = 0; ev = 2             /* [U0] after the bell was read */
  :: ev == 0 && !heard ->
     atomic { sig || rang -> p = sig;
#ifndef M_NOT_HEARD
       heard = rang;
#else
       heard = rang && !sig;
#endif
       sig = 0; rang = 0 };
     if :: p -> p = 0; signalled() :: else -> skip fi
  od
}
inline ownerlook() {
  if
  :: closing -> ev = 3
  :: else ->
     if
     :: owed -> owed = 0; ev = 1
     :: else ->
        a = armed;
        if
        :: a != 0 && a != tail + 1 ->
#ifdef M_EVENT_STORE
           atomic { assert(armed != tail + 1); armed = 0 };
#else
           atomic { if :: armed == a -> assert(a != tail + 1); armed = 0 :: else -> skip fi };   /* [U9] */
#endif
           ev = 1
        :: else ->
           if :: woken -> woken = 0; ev = 2 :: else -> skip fi
        fi;
        a = 0
     fi
  fi
}
inline ownerwait() {
  ev = 0;
  if :: FLAGS -> enter() :: else -> skip fi;
  ownerlook();
  if
  :: ev != 0 -> skip
  :: else ->
#ifndef M_ENABLE_LATE
     dis = 0;                                                     /* [U6] then the call */
#endif
#ifdef M_PARK_ONCE
     parked = ASLEEP;
#endif
     do
     :: 
#ifndef M_PARK_LATE
#ifndef M_PARK_ONCE
        parked = ASLEEP;                                          /* [U7] before everything is looked at */
#endif
#endif
#ifdef FLAG_ENOUGH
        if :: FLAGS -> enter() :: else -> skip fi;
#else
#ifdef M_NO_CALL
        if :: sub != fetched -> enter() :: else -> skip fi;
#else
        enter();
#endif
#endif
#ifdef M_ENABLE_LATE
        dis = 0;
#endif
        ownerlook();
        if
        :: ev != 0 -> break
        :: else ->
#ifdef M_PARK_LATE
           parked = ASLEEP;
#endif
           atomic { sig || rang -> sig = 0; rang = 0 }
        fi
     od;
     parked = AWAKE; dis = 1
  fi
}

#ifdef OWNER
#define WAIT ownerwait()
#else
#define WAIT wait()
#endif
#ifndef ELSEWHERE
proctype poller() { byte t, a, n, ev, k; bit p, d, heard;
again:
  poll();
  arm();
#ifndef M_NOLOOK
  if :: SOMETHING -> goto again :: else -> skip fi;               /* [U3] */
#endif
  WAIT;
  if :: ev == 3 -> gone = 1 :: else -> goto again fi
}
#else
/* the poller does nothing but tell the consumer */
proctype poller() { byte t, a, n, ev, k; bit p, d, heard;
again:
  WAIT;
  token = 1; goto again
}
/* who takes, arms and looks; what an owner has to show first, he finds when it is shown */
proctype consumer() { byte t, a, n; bit p, d;
again:
#ifdef OWNER
  t = tail; got = got + t - head; head = t;
  arm();
  if :: tail != head -> goto again :: else -> skip fi;
#else
  poll();
  arm();
  if :: SOMETHING -> goto again :: else -> skip fi;
#endif
  atomic { token -> token = 0 };
  goto again
}
#endif
proctype submitter() { byte i, k;
  do
  :: i < NSUB -> i++;
#ifdef M_NUDGE_FIRST
     nudge(); sub++
#else
     sub++; nudge()                                               /* [U8] after what there is to see */
#endif
  :: else -> break
  od
}
proctype waker() { byte i, k;
  do :: i < NWAKE -> i++; wake() :: else -> break od
}
proctype closer() { byte k;
  closing = 1; nudge()
}
proctype rest() {
  timeout ->
#ifdef S_CLOSE
  assert(gone)
#else
  assert(got == N + NSUB);
  assert(!woken)
#endif
}
init { atomic {
  run poller(); run kernel(); run rest();
#ifdef ELSEWHERE
  run consumer();
#endif
  if :: NSUB > 0 -> run submitter() :: else -> skip fi;
  if :: NWAKE > 0 -> run waker() :: else -> skip fi;
#ifdef S_CLOSE
  run closer()
#endif
} }
