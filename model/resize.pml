/* Resize: a chain of rings with tickets. The new ring is linked, then the old one
 * sealed by a compare-and-swap of its ticket word; producers that meet the seal go
 * on, the consumer goes on when a sealed ring is empty for good. The labels of
 * ring/ are called by name here (docs/MEMORY.md), those of engine/ as in README.md.
 * Of the EVD's word only TAKE, OWN and STALL matter here.
 */
#ifndef NPROD
#define NPROD 2
#endif
#ifndef NPUSH
#define NPUSH 2
#endif
#ifndef NPOP
#define NPOP 2         /* looks of the consumer, none: he comes when all is over */
#endif
#ifndef CAP0
#define CAP0 1
#endif
#ifndef CAP1
#define CAP1 2         /* the first resize */
#endif
#ifndef NRES
#define NRES 1
#endif
#ifndef NIDLE
#define NIDLE 0        /* looks of an observer */
#endif
#ifndef NPUMP
#define NPUMP 0        /* completions that a pump brings, without a poller: whoever makes room runs it */
#endif
#ifndef WAITS
#define WAITS 0        /* what a waiter wants */
#endif
#define NR 4
#define NPOS 8
#define NONE 255
#define AT(r,p) ((r) * NPOS + (p))

byte tail[NR], freed[NR], nxt[NR] = NONE, cap[NR]; bit sealed[NR], closedb[NR];
byte com[NR * NPOS];                /* committed: producer and number, plus 1 */
byte in, out, hd, nring = 1;
byte acc, cons, last[4];            /* accepted and consumed, at the instant */
bit take, own, stall, told, closing, lock, done;
byte users, stash, wants, prun;

#define DECL byte r, t, f, k, n, p; bit ok, sb, cb, tb;
/* what is not needed any more must not make states different */
#define CLEAR skip; d_step { r = 0; t = 0; f = 0; k = 0; n = 0; p = 0; ok = 0; sb = 0; cb = 0; tb = 0 }

inline startPump() { d_step { if :: prun == 0 && stash > 0 -> prun = 1 :: prun == 1 -> prun = 2 :: else fi } }
/* a ticket: one load of the word, the credit, one exchange; r is where it begins */
inline reserve() {
  ok = 0; tb = told || done;
  do
  :: d_step { t = tail[r]; sb = sealed[r]; cb = closedb[r] };                   /* ring P1 */
     if
     :: sb -> r = nxt[r]; assert(r != NONE)                                     /* ring Z2 */
     :: !sb && cb -> told = 1; break
     :: else ->
        f = freed[r];                                                          /* ring P2 */
        if
        :: t + 1 > f + cap[r] -> break
        :: else -> d_step { if :: tail[r] == t && !sealed[r] && !closedb[r] -> tail[r]++; acc++; ok = 1 :: else fi };
           if :: ok -> assert(!tb); break :: else -> skip fi
        fi
     fi
  od
}
inline commit(who, num) { com[AT(r,t)] = (who) * 16 + (num) + 1 }
inline event(c) {
  f = (c) - 1;
  assert((c) != 0 && (f & 15) == last[f / 16]);                             /* each producer's in order, each once */
  last[f / 16]++
}
proctype producer(byte id) { DECL
  n = 0;
  do
  :: n < NPUSH -> r = in;                                                      /* ring Z1 */
     reserve();
     if :: ok -> commit(id, n); n++ :: else -> break fi                        /* full or closed: gives up */
  :: else -> break
  od;
  CLEAR
}
/* one look of the consumer, who has TAKE: ok if he took something */
inline pop() {
  ok = 0; r = out;
  do
  :: com[AT(r,hd)] != 0 ->
     d_step { event(com[AT(r,hd)]); hd++; cons++; ok = 1 };
     freed[r] = hd;                                                            /* ring C3 */
     break
  :: else ->
#ifdef M_TWO_LOADS
     t = tail[r]; sb = sealed[r];
#else
     d_step { t = tail[r]; sb = sealed[r]; assert(t != hd || sb || acc == cons) };   /* ring Z6: empty is empty */
#endif
     if
#ifdef M_LEAVE_IN_FLIGHT
     :: sb ->
#else
     :: sb && t == hd ->
#endif
        r = nxt[r]; assert(r != NONE); out = r; hd = freed[r]                  /* ring Z7 */
     :: else -> break
     fi
  od
}
/* [R3], [Q]: the one consumer */
inline grab() { atomic { !take -> take = 1 }; d_step { users++; assert(users == 1) } }
/* [R4]: with STALL whoever waits for room is started */
inline release() { users--; d_step { take = 0; own = 0; sb = stall; stall = 0 }; if :: sb -> startPump() :: else -> skip fi }

proctype consumer() { DECL
  n = 0;
  do :: n < NPOP -> grab(); pop(); release(); n++; d_step { r = 0; t = 0; f = 0; ok = 0; sb = 0 } :: else -> break od;
  CLEAR
}
proctype observer() { DECL
  n = 0;
  do
  :: n < NIDLE -> n++; r = out; f = freed[r];                                  /* ring P6 */
     do
     :: d_step { t = tail[r]; sb = sealed[r]; ok = (t == f && acc != cons) };  /* ring Z4 */
        if
#ifdef M_IDLE_FIRST
        :: true -> assert(!ok); break
#else
        :: sb -> r = nxt[r]
        :: !sb -> assert(!ok); break
#endif
        fi
     od
  :: else -> break
  od;
  CLEAR
}
/* the ring's part of a resize to c */
inline chain(c) {
  r = in; ok = 0;
  d_step { k = nring; nring++; cap[k] = c };
  d_step { t = tail[r]; cb = closedb[r] }; f = freed[out];
  if
#ifndef M_IGNORE_CLOSED
  :: cb -> skip
#endif
  :: c < cap[r] && t > f + c -> skip
  :: else ->
#ifdef M_IN_EARLY
     d_step { tail[k] = t; freed[k] = t }; in = k;
#endif
#ifndef M_SEAL_FIRST
     nxt[r] = k;                                                               /* ring Z2 */
#endif
     do
     :: d_step { t = tail[r]; cb = closedb[r] };
        f = freed[out];
        if
#ifndef M_IGNORE_CLOSED
        :: cb -> break
#endif
#ifndef M_NOT_AGAIN
        :: c < cap[r] && t > f + c -> break
#endif
        :: else ->
#ifndef M_IN_EARLY
           d_step { tail[k] = t; freed[k] = t };
#endif
#ifdef M_SEAL_SET
           sealed[r] = 1; ok = 1; break
#else
           d_step { if                                                         /* ring Z5 */
             :: tail[r] == t && closedb[r] == cb -> sealed[r] = 1; ok = 1; assert(c >= cap[r] || t <= cons + c)
             :: else fi };
           if :: ok -> break :: else -> skip fi
#endif
        fi
     od;
#ifdef M_SEAL_FIRST
     nxt[r] = k;
#endif
     if
     :: ok -> in = k;                                                          /* ring Z1 */
        p = out;
        do
        :: p == k -> break
        :: else -> n = nxt[p];
           if
#ifdef M_UNLINK_FULL
           :: n != k -> nxt[p] = nxt[n]
#else
           :: n != k && freed[n] == tail[n] -> nxt[p] = nxt[n]                 /* ring Z7 */
#endif
           :: else -> p = n
           fi
        od
     :: else -> skip
     fi
  fi
}
/* [Z8] */
inline shrink(c) {
#ifdef M_SHRINK_NOTAKE
  users++; assert(users == 1); chain(c); users--
#else
  do
#ifdef M_SHRINK_WAITER
  :: own -> chain(c); assert(!ok || wants <= c); break
#else
  :: own -> break
#endif
  :: atomic { !take -> take = 1; users++; assert(users == 1) };
     chain(c); assert(!ok || wants <= c); release(); break
  od
#endif
}
proctype resizer(byte first) { DECL byte c, i;
  atomic { !lock -> lock = 1 };
  i = 0; c = first;
  do
  :: i < NRES -> i++;
     if
     :: c > cap[in] ->
#ifdef M_STALL_EARLY
        cb = stall; tb = cb; chain(c);
        if :: tb -> stall = 0; startPump() :: else -> skip fi
#else
        chain(c);
#ifndef M_NO_STALL_LOOK
        skip;
        d_step { sb = stall; stall = 0 };                                      /* [Z9] */
        if :: sb && ok -> startPump() :: sb && !ok -> stall = 1 :: else -> skip fi
#endif
#endif
     :: c < cap[in] -> shrink(c)
     :: else -> skip
     fi;
     c++
  :: else -> break
  od;
  i = 0; c = 0;
  CLEAR;
  lock = 0
}
proctype closer() { DECL
  r = in;
  do
  :: d_step { sb = sealed[r]; closedb[r] = 1 };                                /* ring Z3 */
#ifdef M_CLOSE_FIRST
     break
#else
     if :: sb -> r = nxt[r] :: else -> break fi
#endif
  od;
  done = 1;
  CLEAR
}
/* a pump: prun is 0 (gone), 1 (runs), 2 (runs, and must look again) */
proctype pump() { DECL
end:
  do
  :: prun > 0 ->
     do
     :: stash > 0 -> r = in; reserve();
        if
        :: ok -> commit(3, NPUMP - stash); stash--
        :: else ->
           prun = 1;                                                           /* [P2] */
           stall = 1;                                                          /* [S] */
           r = in; reserve();
           if
           :: ok -> commit(3, NPUMP - stash); stash--
           :: else -> d_step { if :: prun == 1 -> prun = 0; ok = 1 :: else fi };   /* [P3] */
              if :: ok -> break :: else -> skip fi
           fi
        fi
     :: else -> prun = 0; break
     od
  od
}
/* A waiter of threshold WAITS: it checks that against the capacity, takes the EVD,
 * and checks it again. */
proctype waiter() { DECL
  if
  :: WAITS > cap[in] -> skip
  :: else ->
     atomic { !take -> take = 1; own = 1 }; d_step { users++; assert(users == 1) };   /* [W1] */
     wants = WAITS;
     if
#ifndef M_NO_SECOND_CHECK
     :: WAITS > cap[in] -> skip                                                /* [Z0] */
#endif
     :: else ->
        assert(WAITS <= cap[in]);
        n = 0;
        do
        :: n < WAITS -> pop(); if :: ok -> n++ :: n + acc - cons < WAITS -> break :: else -> skip fi
        :: else -> break
        od
     fi;
     wants = 0;
     release()
  fi
}
proctype monitor() { DECL
  timeout;
  d_step {
    assert(users == 0 && !lock);
    if :: done || stash == 0 -> skip
       :: else -> r = out; do :: sealed[r] -> r = nxt[r] :: else -> break od;
          assert(tail[r] >= freed[r] + cap[r])                                 /* a pump waits only for a full ring */
    fi;
    r = out; p = hd;
    do
    :: p < tail[r] -> event(com[AT(r,p)]); cons++; p++
    :: p == tail[r] && sealed[r] -> r = nxt[r]; assert(tail[r] >= p)
    :: else -> break
    od;
    assert(cons == acc)                                                        /* nothing is lost */
  }
}
init {
  atomic {
    cap[0] = CAP0; stash = NPUMP;
    if :: NPUMP > 0 -> prun = 1; run pump() :: else -> skip fi;
    if :: NPROD > 0 -> run producer(0) :: else -> skip fi;
    if :: NPROD > 1 -> run producer(1) :: else -> skip fi;
    if :: NPOP > 0 -> run consumer() :: else -> skip fi;
    if :: NIDLE > 0 -> run observer() :: else -> skip fi;
    if :: WAITS > 0 -> run waiter() :: else -> skip fi;
    run resizer(CAP1);
#ifdef TWO
    run resizer(CAP1 + 1);
#endif
#ifdef CLOSE
    run closer();
#endif
    run monitor()
  }
}
