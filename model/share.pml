/* A CQ that two EVDs share: hardware, the shared CQ's machine (demux), the two
 * ports, the two EVDs with one worker, and who enables, joins, leaves and closes
 * beside them. EVD 1 is enabled from the start, EVD 0 as the scenario says.
 * Labels as in README.md. The shared CQ's own arming is that of link.pml, with a
 * poller that sleeps at once.
 */
#ifndef NCQE
#define NCQE 2         /* completions, each of either EVD */
#endif
#ifndef CREDIT
#define CREDIT 0       /* per EVD: who completes needs one; 0: no credits, places without end */
#endif
#define W_RUN 1
#define W_MISS 2
#define W_ARM 4
#define W_QUED 8
#define W_LIM 16
#define NOT(f) (31 - (f))
#define CAS(x,o,nw) d_step { if :: x==(o) -> x=(nw); ok=1 :: else -> ok=0 fi }

byte W = W_LIM;                     /* the demux's word */
byte V[2];                          /* the EVDs' */
byte q[2], p[2], acc[2], dlv[2], left[2], unrouted, credit[2];
bit armed[2], la[2];                /* the port's, and ARMED of its link */
bit src[2], rt[2];                  /* among the EVD's sources; routed to it */
bit hwarm, mu, holds, closed;
byte intr, running[2], demuxing;
#define DECL byte s, n, x; bit ok, c, ev;
#define POST 0
#define INTR 1

inline lock() { atomic { mu == 0 -> mu = 1 } }
inline unlock() { mu = 0 }

/* [T] on EVD e; a worker runs */
inline trigger(e, how) {
  do
  :: d_step { s = V[e]; n = s;
       if :: how==INTR -> n = n & NOT(W_ARM) :: else fi;
       if :: (s & W_RUN) || !(s & W_LIM) -> n = n | W_MISS :: else -> n = n | W_QUED fi };
     if :: n == s -> break :: else -> atomic { CAS(V[e],s,n); if :: ok -> break :: else -> skip fi } fi
  od
}
/* [L1], [H3] */
inline armPort(e) {
  d_step { c = (src[e] && !la[e]); if :: c -> la[e] = 1 :: else fi };
  if :: c -> armed[e] = 1 :: else -> skip fi
}
/* The place is free, and then the credit is back. [H4], [H9] */
inline take(e) {
#ifdef M_CREDIT_FIRST
  c = (p[e] > 0);
  if :: c -> d_step { credit[e]++; dlv[e]++ }; p[e]-- :: else -> skip fi
#else
  d_step { c = (p[e] > 0); if :: c -> p[e]--; dlv[e]++ :: else fi };
  if :: c && CREDIT -> credit[e]++ :: else -> skip fi
#endif
}
inline runner(e) {
  d_step { running[e]++; assert(running[e] == 1) };
  do
  :: if
     :: !(V[e] & W_LIM) -> atomic { V[e] = (V[e] & NOT(W_RUN)) | W_MISS; running[e]--; break }   /* [R1] */
     :: else -> skip
     fi;
     take(e);
     if
     :: c -> skip
     :: else ->
        d_step { s = V[e]; c = ((s & W_MISS) || !(s & W_ARM)); if :: c -> n = (s | W_ARM) & NOT(W_MISS) :: else -> n = s & NOT(W_RUN) fi };
        if
        :: c -> CAS(V[e],s,n); if :: ok && !(s & W_ARM) -> armPort(e) :: else -> skip fi            /* [R5] */
#ifdef M_PORT_NOLOOK
           if :: ok && !(s & W_ARM) -> atomic { V[e] = V[e] & NOT(W_RUN); running[e]--; break } :: else -> skip fi
#endif
        :: else -> if :: !(s & W_LIM) -> skip :: else -> atomic { CAS(V[e],s,n); if :: ok -> running[e]--; break :: else -> skip fi } fi   /* [R6] */
        fi
     fi
  od
}
/* The event of a port: [L4], then [T] */
inline fire(e) {
#ifdef M_FIRED_LATE
  trigger(e, INTR); la[e] = 0
#else
  la[e] = 0; trigger(e, INTR)
#endif
}
inline look() { d_step { ev = armed[x]; armed[x] = 0 } }
inline commit() { d_step { assert(CREDIT == 0 || p[x] < CREDIT); p[x]++ } }
/* One completion into the port of its EVD: under mu, so that who leaves waits */
inline route() {
#ifndef M_ROUTE_NO_LOCK
  lock();
#endif
  if
  :: !rt[x] -> unrouted++; ev = 0
  :: else ->
#ifdef M_ARMED_FIRST
     look(); commit()
#else
#ifdef M_FIRE_FIRST
     look(); if :: ev -> fire(x) :: else -> skip fi; commit(); ev = 0
#else
     commit();                                                       /* [H1] */
     look()                                                          /* [H2] */
#endif
#endif
  fi;
#ifndef M_ROUTE_NO_LOCK
  unlock();
#endif
}
/* The shared CQ's machine: takes all there is, arms, looks, leaves */
inline demux() {
  d_step { demuxing++; assert(demuxing == 1) };
  do
  :: c = (q[0] + q[1] > 0);
     if
     :: c ->
#ifdef M_HOLDS_LATE
        d_step { if :: q[0] > 0 -> x = 0 :: else -> x = 1 fi; q[x]-- };
        holds = 1;
#else
        holds = 1;                                                    /* [H8] */
        d_step { if :: q[0] > 0 -> x = 0 :: else -> x = 1 fi; q[x]-- };
#endif
#ifdef M_HOLDS_SHORT
        holds = 0;
#endif
        route();
        holds = 0;
        if :: ev -> fire(x) :: else -> skip fi
     :: else ->
        d_step { s = W; c = ((s & W_MISS) || !(s & W_ARM)); if :: c -> n = (s | W_ARM) & NOT(W_MISS) :: else -> n = s & NOT(W_RUN) fi };
        if
        :: c -> CAS(W,s,n);
           if :: ok && !(s & W_ARM) -> d_step { assert(hwarm == 0); hwarm = 1 } :: else -> skip fi
#ifdef M_DEMUX_NOLOOK
           if :: ok -> atomic { W = W & NOT(W_RUN); demuxing--; break } :: else -> skip fi
#endif
        :: else -> atomic { CAS(W,s,n); if :: ok -> demuxing--; break :: else -> skip fi }
        fi
     fi
  od
}
proctype poller() { DECL
  do
  :: do                                                               /* [T] of the demux */
     :: d_step { s = W; n = s & NOT(W_ARM); if :: s & W_RUN -> n = n | W_MISS :: else -> n = n | W_RUN fi };
        atomic { CAS(W,s,n); if :: ok -> break :: else -> skip fi }
     od;
     if :: !(s & W_RUN) -> demux() :: else -> skip fi;
end: atomic { intr > 0 -> intr-- }
  od
}
proctype worker() { DECL byte e;
end:
  do
  :: atomic { (V[0] & W_QUED) -> e = 0 }; 
     atomic { if :: (V[e] & W_LIM) && !(V[e] & W_RUN) -> V[e] = (V[e] & NOT(W_QUED)) | W_RUN; c = 1 :: else -> V[e] = (V[e] & NOT(W_QUED)) | W_MISS; c = 0 fi };   /* [W] */
     if :: c -> runner(e) :: else -> skip fi
  :: atomic { (V[1] & W_QUED) -> e = 1 };
     atomic { if :: (V[e] & W_LIM) && !(V[e] & W_RUN) -> V[e] = (V[e] & NOT(W_QUED)) | W_RUN; c = 1 :: else -> V[e] = (V[e] & NOT(W_QUED)) | W_MISS; c = 0 fi };
     if :: c -> runner(e) :: else -> skip fi
  od
}
proctype hw() { byte k, e;
  do
  :: k < NCQE ->
     k++;
     if :: e = 0 :: e = 1 fi;
#ifdef S_JOIN
     rt[e];                                                           /* it gets no work before it has joined */
#endif
     if :: CREDIT -> atomic { credit[e] > 0 -> credit[e]-- } :: else -> skip fi;
     atomic { q[e]++; acc[e]++; if :: hwarm -> hwarm = 0; intr++ :: else fi }
  :: else -> break
  od
}
#ifdef S_ENABLE
/* [E1]..[E3] on EVD 0, and takes what keeps it from it */
proctype enabler() { DECL byte w;
  do
  :: d_step { w = V[0]; n = (w | W_ARM) & NOT(W_MISS) };
     CAS(V[0],w,n);
     if
     :: !ok -> skip
     :: else ->
        w = n;
        if :: !la[0] -> armPort(0) :: else -> skip fi;
        if
        :: p[0] > 0 -> take(0)
        :: else -> CAS(V[0],w,w | W_LIM); if :: ok -> break :: else -> skip fi
        fi
     fi
  od
}
#endif
#ifdef S_JOIN
/* EVD 1 joins: its ARM is 1 since it had nothing to arm. [H6] */
proctype joiner() { DECL
#ifdef M_ROUTE_FIRST
  lock(); rt[1] = 1; unlock();
  src[1] = 1; armPort(1)
#else
  src[1] = 1;
#ifdef M_JOIN_BELIEVES
  if :: V[1] & W_ARM -> skip :: else -> armPort(1) fi;
#else
  armPort(1);
#endif
  lock(); rt[1] = 1; unlock()
#endif
}
/* An event of another CQ of its own */
proctype other() { DECL trigger(1, INTR) }
#endif
#ifdef S_CLOSE
/* EVD 1 is closed: it leaves [H7], runs end, what is in the port is left over */
proctype closer() { DECL
  d_step { V[1] = V[1] & NOT(W_LIM) };
#ifdef M_CLOSE_STAYS
  skip;
#else
  lock(); rt[1] = 0; unlock();
#endif
  !(V[1] & W_RUN);
#ifndef M_LEAVE_DROPS
  d_step { left[1] = left[1] + p[1]; p[1] = 0 };
#endif
  closed = 1
}
#endif
#ifdef LOOK
/* Whoever asks whether something can still come: CQ, holds, port, in this order */
proctype asker() { byte before, found;
  atomic { before = acc[0]; found = (q[0] > 0) };
  found = found | holds;
  atomic { found = found | (p[0] > 0); assert(found || dlv[0] >= before) }
}
#endif
proctype monitor() {
  timeout;
  d_step {
    assert(q[0] + q[1] == 0 && demuxing == 0 && !(W & W_RUN) && (W & W_ARM) && hwarm);
    assert(running[0] + running[1] == 0);
    assert(acc[0] + acc[1] == dlv[0] + dlv[1] + left[0] + left[1] + p[0] + p[1] + unrouted);
    assert(closed || unrouted == 0);
    assert(!closed || p[1] == 0);
    assert(!(V[0] & W_LIM) || (p[0] == 0 && (V[0] & W_ARM) && !(V[0] & W_MISS) && armed[0] && la[0]));
    assert(!(V[1] & W_LIM) || (p[1] == 0 && (V[1] & W_ARM) && !(V[1] & W_MISS) && armed[1] && la[1]))
#ifdef S_ENABLE
    assert(V[0] & W_LIM)
#endif
  }
}
init { atomic {
  credit[0] = CREDIT; credit[1] = CREDIT;
  src[0] = 1; rt[0] = 1; la[0] = 1; armed[0] = 1; V[0] = W_ARM;
  V[1] = W_ARM | W_LIM;
#ifdef BOTH
  V[0] = W_ARM | W_LIM;
#endif
#ifdef S_JOIN
  run joiner(); run other();
#else
  src[1] = 1; rt[1] = 1; la[1] = 1; armed[1] = 1;
#endif
#ifdef S_ENABLE
  run enabler();
#endif
#ifdef S_CLOSE
  run closer();
#endif
#ifdef LOOK
  run asker();
#endif
  run poller(); run worker(); run hw(); run monitor()
} }
