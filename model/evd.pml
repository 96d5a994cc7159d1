/* The protocol of one EVD: its state word, ring, directly attached CQs, notices,
 * upcalls, Dequeue, waiter, changes of policy, close, and the watchdog.
 *
 * Labels in [brackets] are those of the Go code (see README.md). A load, a
 * compare-and-swap, a look at the ring, a look at a CQ and an arm are separate
 * steps; everything else is in d_step or atomic only where the code does it
 * under a lock or in private memory.
 *
 * Switches: see cases.txt. M_x is a mutant: the clause x is left out or wrong.
 */
#ifndef LIMIT
#define LIMIT 1        /* the enabling policy's limit */
#endif
#ifndef WORKERS
#define WORKERS 1
#endif
#ifndef NSW
#define NSW 1          /* posters */
#endif
#ifndef NPOST
#define NPOST 1        /* posts of each */
#endif
#ifndef NCQ
#define NCQ 1
#endif
#ifndef NCQE
#define NCQE 1         /* completions of each CQ */
#endif
#ifndef RCAP
#define RCAP 4
#endif
#ifndef NDEQ
#define NDEQ 0         /* Dequeues from outside */
#endif
#ifndef NRAISE
#define NRAISE 0       /* processes that raise the one notice once */
#endif
#ifndef BUDGET
#define BUDGET 0       /* times a budget is used up */
#endif
#ifndef UPOST
#define UPOST 0        /* posts from inside */
#endif
#ifndef UDEQ
#define UDEQ 0         /* Dequeues from inside */
#endif
#ifndef UMOD
#define UMOD 0         /* disable, drain, enable from inside */
#endif
#ifndef PANIC
#define PANIC 0
#endif
#ifndef ARMFAIL
#define ARMFAIL 0      /* arms that fail */
#endif
#ifndef ENDS
#define ENDS 0         /* a CQ ends behind its last completion: arms fail, and nobody tries again. 1: its poller is told, 2: nobody is */
#endif
#ifndef LOST
#define LOST 0         /* events that the hardware loses */
#endif
#ifndef WD
#define WD 0           /* looks of the watchdog; 9: no end of them */
#endif
#ifndef IDEMP
#define IDEMP 0        /* arming twice is harmless */
#endif
#ifndef BATCH
#define BATCH 1
#endif

#ifndef LINGER
#define LINGER 0       /* with EXCL: the poller's run lingers: 1: and may leave, 2: for as long as the word lets it */
#endif

#ifdef POLLS
#define POLLED 1       /* the poller polls the CQ, and arms are its promise to */
#else
#define POLLED 0
#endif

#define F_MISS  16
#define F_ARM   32
#define F_WAIT  64
#define F_CLOSE 128
#define F_TAKE  256
#define F_QUED  512
#define F_QUIET 1024
#define F_OWN   2048
#define RUN(w) ((w) & 3)
#define LIM(w) (((w) >> 2) & 3)
#define GEN(w) (((w) >> 12) & 3)
#define NOT(f) (16383 - (f))
#define SETLIM(w,l) (((w) & NOT(12)) | ((l) << 2))
#ifdef USEGEN
#define BUMP(w) (((w) & 4095) | (((GEN(w)+1) & 3) << 12))
#else
#define BUMP(w) (w)
#endif

/* One compare-and-swap; ok tells. */
#define CAS(o,nw) d_step { if :: W==(o) -> W=(nw); ok=1 :: else -> ok=0 fi }
/* The QUIET rule, for every transition that lowers RUN or clears TAKE. */
#ifdef M_QUIET_NOWAKE
#define QUIETRULE skip
#else
#ifdef M_QUIET_TAKE
#define QUIETRULE if :: (n & F_QUIET) && RUN(n)==0 && !(n & F_TAKE) -> n = n & NOT(F_QUIET); wq = 1 :: else fi
#else
#define QUIETRULE if :: (n & F_QUIET) && RUN(n)==0 -> n = n & NOT(F_QUIET); wq = 1 :: else fi
#endif
#endif
#define QUIETWAKE if :: wq -> d_step { qgen++; wq = 0 } :: else -> skip fi

#if NCQ==2
#define CQS (q[0]+q[1])
#define HWARMED (hwarm[0] && hwarm[1])
#elif NCQ==1
#define CQS (q[0])
#ifdef POLLS
#define HWARMED 1      /* the poller sees it by itself */
#else
#define HWARMED (hwarm[0] || lingers)
#endif
#else
#define CQS 0
#define HWARMED 1
#endif
#define PENDING (ring + stash + nl + CQS)

short W;
byte ring, resv;                    /* committed; reserved and not committed */
byte stash;                         /* completions that a waiter has copied */
#if NCQ>0
byte q[NCQ]; bit hwarm[NCQ]; bit carm[NCQ]; byte intr[NCQ]; bit ended[NCQ];
bit dead[NCQ], failed, told;        /* each CQ's end is known; some CQ's; its poller has been told */
#endif
byte nc, nl;                        /* the notice: its count, and whether it is listed */
bit rclosed;
byte work;                          /* runs handed to the workers */
byte tok;                           /* the waiter's token */
byte wt;                            /* what the waiter waits for */
bit unw, woken;
#ifdef S_NEW
bit kept;                           /* enabled for what is new, with something left */
#endif
bit lingers;                        /* ghost: a poller does */
byte qgen;                          /* the condition variable of sleepers for quiet */
/* ghosts */
byte acc, dlv, drained, hand, nacc, ndlv;
byte nup, met, late;
bit dis, td, tk, tdbeg, super, tdret, fin, newok;
byte budget = BUDGET, upost = UPOST, udeq = UDEQ, umod = UMOD, pan = PANIC, armf = ARMFAIL, retry, again, lostb = LOST, lost, wd = WD;

#ifdef EXCL
#define LDECL short ls; bit lg, lo, ml;
#define LCLR ls=0; lg=0; lo=0; ml=0;
#else
#define LDECL
#define LCLR
#endif
#define DECL LDECL short s, n; bit ok, c, wk, wq, have, arc, nx; byte st, got, rc;
#define CLR d_step { LCLR s=0; n=0; ok=0; c=0; wk=0; wq=0; have=0; arc=0; nx=0; st=0; got=0; rc=0 }

#if ENDS>0
/* somebody has heard that the CQ has ended: a waiter may have nothing left to wait for */
inline fails() {
  if
  :: failed -> skip
  :: else -> failed = 1; clearWAIT(); if :: ok -> d_step { tok++; assert(tok<=1) } :: else -> skip fi
  fi
}
#endif
/* ---------------- arming: each CQ whose flag is 0 ---------------- */
inline arm1(i) {
#ifdef M_ARM_ALL
  carm[i] = 1; ok = 1;
#else
#if ENDS>0 && !defined(M_ARM_DEAD)
  /* one whose end is known is left alone, or an EVD that has others, or posters,
   * could not be enabled again */
  d_step { if :: carm[i]==0 && !dead[i] -> carm[i]=1; ok=1 :: else -> ok=0 fi };
#else
  d_step { if :: carm[i]==0 -> carm[i]=1; ok=1 :: else -> ok=0 fi };
#endif
#endif
  if
  :: ok ->
     if
     :: armf > 0 -> d_step { armf--; arc = 1; carm[i] = 0 };      /* [L5] */
#ifdef M_RETRY_EARLY
        retry++
#else
#ifndef M_ARMFAIL_NORETRY
        again = 1                                               /* its poller tries again, when ARM has fallen */
#endif
#endif
#if ENDS>0
     :: ended[i] -> d_step { arc = 1; carm[i] = 0; dead[i] = 1 }; fails()
#endif
#ifdef POLLS
     :: else -> skip                                              /* [L1] its poller watches it */
#else
     :: !(ENDS>0 && ended[i]) -> d_step { assert(IDEMP || (hwarm[i]==0 && intr[i]==0)); hwarm[i]=1 }
#endif
     fi
  :: else -> skip
  fi
}
inline arm() { arc = 0;
#if NCQ>0
  arm1(0);
#endif
#if NCQ==2
  arm1(1)
#endif
}
inline retryArm() { d_step { if :: again -> again = 0; retry++ :: else fi } }
inline clearARM() {
  do :: d_step { s = W; n = s & NOT(F_ARM) } atomic { CAS(s,n); if :: ok -> break :: else -> skip fi } od;
  retryArm()
}

/* ---------------- [T] ---------------- */
#define POST 0
#define INTR 1
#define WATCH 2        /* a poller that polls */
#define BYPOLLER(src) ((src)==INTR || (src)==WATCH)
inline trigger(src, mayclaim) {
  do
  :: d_step { s = W; n = s; c = 0; wk = 0; st = 0;
       if :: src==INTR -> n = n & NOT(F_ARM) :: else fi }
#ifdef TARGET
     /* without direct CQs the last poster that the waiter waits for wakes him */
#ifdef M_ENOUGH_MORE
     if :: (s & F_WAIT) && src==POST -> st = (ring + resv + stash + nl <= wt) :: else -> skip fi;
#else
     if :: (s & F_WAIT) && src==POST -> st = (ring + resv + stash + nl < wt) :: else -> skip fi;
#endif
#endif
     d_step {
       if
       :: st -> skip
#ifdef M_T_IGN_WAIT
       :: !st && RUN(s) >= LIM(s) -> n = n | F_MISS
#else
       :: !st && (s & F_WAIT) -> n = n & NOT(F_WAIT); wk = 1
       :: !st && !(s & F_WAIT) && (RUN(s) >= LIM(s) || (!(mayclaim) && LIMIT==1)) -> n = n | F_MISS
#endif
       :: !st && !(s & F_WAIT) && RUN(s) < LIM(s) && ((mayclaim) || LIMIT>1) ->
          if
          :: BYPOLLER(src) && LIMIT==1 -> n = n + 1; c = 1         /* the caller runs */
          :: !(BYPOLLER(src) && LIMIT==1) && !(s & F_QUED) -> n = n | F_QUED; c = 1
          :: else
          fi
       fi }
     if
     :: n == s -> break
     :: else -> atomic { CAS(s,n); if :: ok -> break :: else -> skip fi }
     fi
  od;
  if :: c && !(BYPOLLER(src) && LIMIT==1) -> d_step { work++; assert(work<=1); c = 0 } :: else -> skip fi;
  if :: wk -> d_step { tok++; assert(tok<=1); wk = 0 } :: else -> skip fi
}

/* ---------------- posts ---------------- */
inline post(mayclaim) {
  if
  :: d_step { (!rclosed && ring+resv < RCAP) -> resv++; acc++ };
#ifdef M_TRIGGER_FIRST
     trigger(POST, mayclaim);
     d_step { resv--; ring++ }
#else
     d_step { resv--; ring++ };
     trigger(POST, mayclaim)
#endif
  :: d_step { (rclosed || ring+resv >= RCAP) -> skip }
  fi
}
/* [X2] [X3] the end of a direct hand-off that somebody has queued behind. Where there is
 * more than a ring it never knows that it has everything. */
#if NCQ==0 && NRAISE==0
#define ONLYRING 1
#else
#define ONLYRING 0
#endif
inline drain() {
  do
  :: d_step { s = W; wq = 0; st = 0;
       if
       :: RUN(s) == 1 && LIM(s) == 1 && (s & F_ARM) && !(s & F_QUIET) ->
          if
          :: !(s & F_MISS) -> st = 1; n = s - 1
#ifdef M_X3_NOMISS
          :: (s & F_MISS) && !(s & F_TAKE) -> st = 2; n = s | F_TAKE
#else
          :: (s & F_MISS) && !(s & F_TAKE) -> st = 2; n = (s & NOT(F_MISS)) | F_TAKE      /* [X3] */
#endif
          :: else
          fi
       :: else
       fi }
     if
     :: st == 0 -> all = 0; break
     :: st == 1 -> CAS(s,n); if :: ok -> all = 1; break :: else -> skip fi                /* [X2] */
     :: st == 2 -> CAS(s,n);
        if
        :: ok ->
           take(BATCH);
#ifdef M_X3_NOMISS
           do :: d_step { s = W; n = s & NOT(F_MISS) } CAS(s,n); if :: ok -> break :: else -> skip fi od;
#endif
#ifdef M_X3_ALL
           all = 1;
#else
           all = (ONLYRING && got < BATCH);
#endif
           if
           :: got + nx > 0 -> hand++; rc = got; release(0); got = rc; upcall()
           :: else ->
              d_step { s = n; n = (s - 1) & NOT(F_TAKE) }
              CAS(s,n);                                                                   /* [R6] */
              if :: ok -> all = 1; break :: else -> release(0) fi
           fi;
           if :: all -> skip :: else -> break fi
        :: else -> skip
        fi
     fi
  od;
  if :: all -> all = 0 :: else -> runner() fi
}
/* [X1] [X2] direct hand-off */
inline direct() {
  d_step { s = W; c = (RUN(s)==0 && LIM(s)==1) };
#if defined(S_NEW) && !defined(M_DIR_IGN_KEPT)
  if :: c && kept -> c = 0 :: else -> skip fi;
#endif
#ifndef M_DIR_NOLOOK
  if :: c -> if :: ring + resv == 0 -> skip :: else -> c = 0 fi :: else -> skip fi;
#endif
#ifdef M_DIR_RELOAD
  if :: c -> d_step { s = W; c = (RUN(s)==0 && LIM(s)==1) } :: else -> skip fi;
#endif
  if :: c -> n = s + 1; atomic { CAS(s,n); c = ok;
        if :: ok -> acc++; hand++;
#if NSW==1
           assert(ring == 0 && hand == 1)               /* nothing of this poster's is still waiting */
#endif
        :: else fi } :: else -> skip fi;
  if
  :: c -> got = 1; upcall();
     d_step { s = W; n = s - 1; wq = 0; QUIETRULE };
#ifdef M_DIR_NOMISSCHECK
     if :: RUN(s) <= LIM(s) && (s & F_ARM) -> CAS(s,n) :: else -> ok = 0 fi;
#else
     if :: RUN(s) <= LIM(s) && !(s & F_MISS) && (s & F_ARM) -> CAS(s,n) :: else -> ok = 0 fi;
#endif
     if :: ok -> QUIETWAKE :: else -> wq = 0; drain() fi
  :: else -> post(1)
  fi
}
/* [N1] [N3]: the list is under a lock, the count is not */
inline raise() {
  d_step { nacc++; nc++; c = (nc==1) };
  if
#ifdef M_N_TRIGGER_FIRST
  :: c -> trigger(POST,1); nl++
#else
  :: c -> d_step { assert(nl==0); nl++ }; trigger(POST,1)
#endif
  :: else -> skip
  fi
}

/* ---------------- taking: TAKE is held ---------------- */
inline take(most) {
  got = 0;
  d_step { assert(!tk); tk = 1 };
  if :: nl > 0 ->
#ifdef M_N_SWAP_FIRST
     d_step { ndlv = ndlv + nc; nc = 0 }; nl--;
#else
     nl--; d_step { ndlv = ndlv + nc; nc = 0 };          /* [N2] */
#endif
     nx = 1
  :: else -> nx = 0
  fi;
#if defined(M_CQ_BEFORE_STASH) && NCQ>0
  d_step { if :: q[0] > 0 -> assert(stash==0); q[0]--; got++ :: else fi };
#endif
  d_step { do :: got < most && stash > 0 -> stash--; got++ :: else -> break od };
  if :: got + nx == 0 -> d_step { do :: got < most && ring > 0 -> ring--; got++ :: else -> break od } :: else -> skip fi;
#if NCQ>0
  if :: got + nx == 0 -> d_step { do :: got < most && q[0] > 0 -> assert(stash==0); q[0]--; got++ :: else -> break od } :: else -> skip fi;
#endif
#if NCQ==2
  if :: got + nx == 0 -> d_step { do :: got < most && q[1] > 0 -> q[1]--; got++ :: else -> break od } :: else -> skip fi;
#endif
  tk = 0
}
/* [R4] */
inline release(outside) {
  do
  :: d_step { s = W; n = s & NOT(F_TAKE); n = n & NOT(F_OWN); c = 0; wq = 0;
#ifndef M_W4_NOMARK
       if :: (s & F_OWN) -> n = n | F_MISS :: else fi;         /* [W4] */
#endif
       QUIETRULE }
#if LIMIT>1 && !defined(M_NOSPREAD)
     if
     :: !(outside) && RUN(s) < LIM(s) && !(s & F_QUED) -> if :: (s & F_MISS) || PENDING > 0 -> n = n | F_QUED; c = 1 :: else -> skip fi
     :: else -> skip
     fi;
#endif
#ifndef M_REL_NOCLAIM
     d_step { if :: (outside) && (s & F_MISS) && RUN(s) < LIM(s) && !(s & F_QUED) -> n = n | F_QUED; c = 1 :: else fi };
#endif
     atomic { CAS(s,n); if :: ok -> break :: else -> skip fi }
  od;
  if :: c -> d_step { work++; assert(work<=1); c = 0 } :: else -> skip fi;
  QUIETWAKE
}
/* [Q] Dequeue. st: 0 busy, 1 got something, 2 empty, 3 ErrWaiter, 4 closed */
inline dequeue(outside) {
#ifdef EXCL
  if
  :: !(outside) ->                                    /* [J3] TAKE is the run's, upcalls included */
     take(1);
     dlv = dlv + got;
     rc = (got + nx > 0 -> 1 : 2);
#ifdef M_X_INSIDE_RELEASES
     release(outside);
#endif
     st = rc
  :: else -> dequeueOutside(outside)
  fi
#else
  dequeueOutside(outside)
#endif
}
inline dequeueOutside(outside) {
  do
  :: d_step { s = W; n = s | F_TAKE; st = 9;
       if
       :: (s & F_CLOSE) -> st = 4
#ifndef M_DEQ_IGN_TAKE
       :: !(s & F_CLOSE) && (s & F_OWN) -> st = 3
       :: !(s & F_CLOSE) && !(s & F_OWN) && (s & F_TAKE) -> st = 0
#endif
       :: else
       fi }
     if :: st != 9 -> break :: else -> atomic { CAS(s,n); if :: ok -> break :: else -> skip fi } fi
  od;
  if
  :: st != 9 -> skip
  :: else ->
     take(1);
     dlv = dlv + got;
     rc = (got + nx > 0 -> 1 : 2);
     release(outside);
     st = rc
  fi
}

/* ---------------- [D] [E1]..[E6] ---------------- */
inline disable() {
  do
  :: d_step { s = W; n = s; if :: LIM(s) > 0 -> n = BUMP(SETLIM(s,0)) :: else fi }
     atomic { d_step { if :: W==s -> W=n; ok=1; dis=1; late=0 :: else -> ok=0 fi }; if :: ok -> break :: else -> skip fi }
  od
}
#ifdef M_EN_IGN_OWN
#define OWNED(w) 0
#else
#define OWNED(w) ((w) & F_OWN)
#endif
/* rc: 1 enabled, 0 pending, 2 closed, 3 arm failed, 4 waiter, 6 by any */
#define STRICT 0
#define NEW 1
inline raiseLIM(l) {        /* from exactly s; n is lost */
  d_step { n = BUMP(SETLIM(s,l)); wq = 0;
#ifndef M_SUPER_NOWAKE
           if :: (n & F_QUIET) -> n = n & NOT(F_QUIET); wq = 1 :: else fi
#endif
  };
  d_step { if :: W==s -> W=n; ok=1; dis=0; late=0; td=0; super = (tdbeg && !tdret) :: else -> ok=0; wq=0 fi }
}
/* [E] */
/* [E7] a waiter may have relied on ARM before there was an arm behind it. Whether it
 * was woken does not matter to the caller: its word is another one in any case. */
inline enableWakes() {
  if
  :: st && (W & F_WAIT) ->
     do :: d_step { s = W } if :: !(s & F_WAIT) -> break :: else -> atomic { CAS(s,(s & NOT(F_WAIT))); if :: ok -> tok++; assert(tok<=1); break :: else -> skip fi } fi od
  :: else -> skip
  fi
}
inline enable(l, verb) {
  do
  :: d_step { s = W; n = (s | F_ARM) & NOT(F_MISS); st = 0;
       if :: (s & F_CLOSE) -> st = 2 :: !(s & F_CLOSE) && OWNED(s) -> st = 4 :: !(s & F_CLOSE) && !OWNED(s) && LIM(s) > 0 -> st = 1 :: else fi }
     if :: st -> rc = st; break :: else -> skip fi;
#ifdef M_E_LOOK_FIRST
     if :: verb==STRICT && (ring + resv + stash + nl + CQS > 0) -> rc = 0; break :: else -> skip fi;
#endif
     if :: n != s -> CAS(s,n) :: else -> ok = 1 fi;        /* [E1] */
     if
     :: !ok -> skip
     :: else ->
        arc = 0;
        st = 0;
        if :: !(s & F_ARM) -> st = 1; arm() :: else -> skip fi;
        if :: arc -> clearARM() :: else -> skip fi;
#ifndef M_E_NOWAKE
        enableWakes();
#endif
        if :: arc -> rc = 3; break :: else -> skip fi;
        d_step { s = n; s = (s | F_ARM) & NOT(F_MISS) };
#ifndef M_E_LOOK_FIRST
        if                                                    /* [E2] */
        :: verb==STRICT ->
           if :: ring + resv > 0 -> rc = 0; break :: else -> skip fi;
           if :: stash + nl > 0 -> rc = 0; break :: else -> skip fi;
#if NCQ>0 && !defined(M_E_RING_ONLY)
           if :: q[0] > 0 -> rc = 0; break :: else -> skip fi;
#endif
#if NCQ==2 && !defined(M_E_RING_ONLY)
           if :: q[1] > 0 -> rc = 0; break :: else -> skip fi
#endif
        :: else -> skip
        fi;
#endif
        if
        :: verb==NEW ->
           do                                                 /* [E6] from any word */
           :: s = W;
              if :: (s & F_CLOSE) || OWNED(s) -> rc = 9; break :: else -> skip fi;
#ifdef S_NEW
              if :: PENDING > 0 -> kept = 1 :: else -> skip fi;  /* what is left goes ahead of a direct hand-off */
#endif
              raiseLIM(l);
              if :: ok -> rc = 1; break :: else -> skip fi
           od;
           if :: rc == 1 ->
              QUIETWAKE;
#ifndef M_NEW_IGN_MISS
              if :: (s & F_MISS) -> trigger(POST,1); rc = 1 :: else -> skip fi
#endif
              :: else -> skip fi;
           if :: rc == 1 -> newok = 1; break :: else -> skip fi
        :: else ->
#ifdef M_E_RELOAD
           s = W;
#endif
           raiseLIM(l);                                       /* [E3] */
           if :: ok -> QUIETWAKE; rc = 1; break :: else -> skip fi
        fi
     fi
  od
}
inline enableAny(l) {
  do
  :: d_step { s = W; st = 0; if :: (s & F_CLOSE) -> st = 2 :: !(s & F_CLOSE) && OWNED(s) -> st = 4 :: else fi }
     if :: st -> rc = st; break :: else -> skip fi;
     raiseLIM(l);                                             /* [E5] */
     if :: ok -> rc = 6; break :: else -> skip fi
  od;
  if :: rc == 6 -> QUIETWAKE;
#ifndef M_ANY_NOTRIGGER
     trigger(POST,1)
#endif
     :: else -> skip fi
}
inline drainEnable(l, outside) {
  do
  :: dequeue(outside);
     if
     :: st == 1 -> skip
     :: st == 0 -> !(W & F_TAKE)
     :: st == 2 -> resv == 0;                        /* in flight: try again later */
        enable(l, STRICT); if :: rc == 0 || rc == 3 -> skip :: else -> break fi
     :: else -> break
     fi
  od
}
/* [Q1]. rc 1 quiet, 5 superseded */
inline quiet(needtake, g) {
  do
  :: d_step { s = W; n = s | F_QUIET; st = 0;
       if
#ifdef USEGEN
       :: g != 9 && GEN(s) != g && !(s & F_CLOSE) -> st = 5
#endif
       :: else -> if :: RUN(s)==0 && !((needtake) && (s & F_TAKE)) -> st = 1 :: else fi
       fi };
     if :: st -> rc = st; break :: else -> skip fi;
#ifdef M_QUIET_STALE
     do :: d_step { s = W; n = s | F_QUIET } atomic { CAS(s,n); if :: ok -> rc = qgen; break :: else -> skip fi } od;
     qgen != rc
#else
     atomic { CAS(s,n); rc = qgen };
     if :: ok -> qgen != rc :: else -> skip fi
#endif
  od
}

/* ---------------- the upcall; got events in hand ---------------- */
/* [F] LIM is raised and the function replaced under one lock, and it is
 * replaced only where LIM=0 and RUN=0 were seen under it: nobody can be in it,
 * or come to be. */
#ifdef S_FN
bit admlock, fnw;                   /* the lock; the function is being written */
#ifdef M_FN_NOLOCK
#define LOCKFN skip
#define UNLOCKFN skip
#else
#define LOCKFN atomic { admlock == 0 -> admlock = 1 }
#define UNLOCKFN admlock = 0
#endif
#ifdef M_FN_RUNNING
#define FNFREE (LIM(s) == 0)
#else
#define FNFREE (LIM(s) == 0 && RUN(s) == 0)
#endif
#else
#define LOCKFN skip
#define UNLOCKFN skip
#endif

inline upcall() {
  d_step {
    nup++; assert(nup <= LIMIT); assert(!td);
#ifdef S_FN
    assert(!fnw);
#endif
    if :: dis -> late++; assert(late <= LIMIT) :: else fi;
#ifndef NOTE
    dlv = dlv + got; hand--
#endif
  };
#ifdef BLOCKNEW
  if :: super -> tdret == 1 :: else -> skip fi;          /* of the later policy: it waits for Teardown's return */
#endif
#ifdef MEET
  met++; met >= 2;                       /* upcalls that wait for each other */
#endif
  if
  :: true
#ifdef NOTE
  :: dequeue(0)
#endif
#if UPOST>0
  :: upost > 0 -> upost--; post(0)
#endif
#if UDEQ>0
  :: udeq > 0 -> udeq--; dequeue(0)
#endif
#if UMOD>0
  :: umod > 0 -> umod--; disable();
     atomic { true; late = (LIMIT==1 -> 9 : late) };         /* exact inside: not one more */
     if :: drainEnable(LIMIT,0) :: true fi
#endif
#if PANIC>0
  :: pan > 0 -> pan--; disable()                              /* contained: the runner goes on to leave */
#endif
  fi;
  skip;
  d_step { assert(!td); nup-- }
}

#if defined(EXCL) && LINGER>0
/* [J2] A poller that stays in its run: it clears MISS and arms, looks at all but the
 * CQ, and from then on, for as long as the word is exactly that, polls the CQ and calls
 * the upcall, and changes nothing. lg falls when it leaves of itself: then the loop takes
 * and settles. */
#ifdef M_X_LIM_ONLY
#define SAMEWORD(a,b) (LIM(a) == LIM(b))
#elif defined(M_X_MISS_ONLY)
#define SAMEWORD(a,b) (((a) & F_MISS) == ((b) & F_MISS))
#else
#define SAMEWORD(a,b) ((a) == (b))
#endif
inline linger() {
  d_step { s = W; lo = (RUN(s) <= LIM(s)); n = (s | F_ARM) & NOT(F_MISS);
#ifdef M_X_OVER_MISS
    n = s | F_ARM
#endif
  };
  if
  :: lo && n != s ->
     CAS(s,n);
     if
     :: ok && !(s & F_ARM) -> ls = n; arm(); if :: arc -> clearARM(); lo = 0 :: else -> skip fi
     :: ok && (s & F_ARM) -> ls = n
     :: else -> lo = 0
     fi
  :: else -> ls = s
  fi;
#ifndef M_X_NO_LOOK
  if :: lo && ring > 0 -> lo = 0 :: else -> skip fi;
  if :: lo && stash + nl > 0 -> lo = 0 :: else -> skip fi;
#endif
  lg = 0;
  do
  :: !lo -> break
  :: else ->
     if
     :: !SAMEWORD(W,ls) -> lo = 0; lg = 1
     :: else ->
        d_step { assert(!tk); tk = 1; got = 0 };
        d_step { do :: got < BATCH && q[0] > 0 -> q[0]--; got++ :: else -> break od };
        tk = 0;
        if
        :: got > 0 -> hand++; upcall()
        :: else ->
           lingers = 1;
           if
           :: !SAMEWORD(W,ls) || q[0] > 0 -> skip              /* it polls on */
#if LINGER==1
           :: lo = 0                                          /* idle for too long; another mode */
#endif
           fi;
           lingers = 0
        fi
     fi
  od
}
#endif
/* ---------------- [R] ---------------- */
inline runner() {
  have = 0;
  do
  :: d_step { s = W; wq = 0; n = s;
       if
       :: RUN(s) > LIM(s) -> st = 1; n = s - 1;               /* [R1] */
#ifndef M_R1_NOMISS
          n = n | F_MISS;
#endif
          if :: have -> n = n & NOT(F_TAKE) :: else fi; QUIETRULE
       :: else ->
          if
          :: have -> st = 2
#ifndef M_RUNNER_NOTAKE
          :: !have && (s & F_TAKE) -> st = 1; n = s - 1;       /* [R2] */
#ifndef M_R2_NOMISS
             n = n | F_MISS;
#endif
             QUIETRULE
#endif
          :: else -> st = 3; n = s | F_TAKE                    /* [R3] */
          fi
       fi }
     if
     :: st == 1 -> atomic { CAS(s,n); if :: ok -> break :: else -> skip fi }
     :: else ->
        if :: st == 3 -> CAS(s,n) :: else -> ok = 1 fi;
        if
        :: !ok -> skip
        :: else ->
           have = 1;
#ifdef S_NEW
           if :: st == 3 -> kept = 0 :: else -> skip fi;
#endif
#if defined(EXCL) && LINGER>0
           if :: lg -> linger() :: else -> skip fi;
           if
           :: lg -> skip                                      /* asked in the word: by the policy first */
           :: else ->
#endif
#ifdef NOTE
           got = 0; nx = (PENDING > 0);
#else
           take(BATCH);
#endif
           if
           :: got + nx > 0 ->
#if defined(EXCL) && LINGER>0
              lg = ml;
#endif
#ifndef NOTE
              hand++;
#endif
#if LIMIT>1 && !defined(M_NO_R9)
              do                                              /* [R9] */
              :: d_step { s = W; n = s | F_ARM }
                 if :: s == n -> break
                 :: else -> CAS(s,n); if :: ok -> arm(); if :: arc -> clearARM() :: else -> skip fi; break :: else -> skip fi
                 fi
              od;
#endif
#ifdef EXCL
              upcall();                                       /* [J1] keeps TAKE */
#else
              rc = got;
              release(0); have = 0;
              got = rc;
              upcall();
#endif
#if BUDGET>0
              if
              :: budget > 0 -> budget--;
                 do :: d_step { s = W; wq = 0; c = 0;
                          if :: RUN(s) > LIM(s) -> n = (s - 1) | F_MISS
                             :: else ->                       /* [R7] */
#ifdef M_R7_NOQUED
                                n = (s - 1) | F_MISS
#else
                                n = (s - 1) | F_QUED; c = ((s & F_QUED) == 0)
#endif
                          fi;
#if defined(EXCL) && !defined(M_X_R7_KEEPS)
                          n = n & NOT(F_TAKE);
#endif
                          QUIETRULE }
                       atomic { CAS(s,n); if :: ok -> break :: else -> skip fi } od;
                 if :: c -> d_step { work++; assert(work<=1); c = 0 } :: else -> skip fi;
                 break
              :: true
              fi
#endif
           :: else ->
#ifdef M_RELEASE_EMPTY
              release(0); have = 0;              /* TAKE given up between the empty look and the end */
#endif
              d_step { s = W; wq = 0;
                 if
                 :: RUN(s) > LIM(s) -> st = 0
                 :: RUN(s) <= LIM(s) && ((s & F_MISS) || !(s & F_ARM)) -> st = 1; n = (s | F_ARM) & NOT(F_MISS)
                 :: else -> st = 2; n = s - 1;
                    if :: have -> n = n & NOT(F_TAKE) :: else fi; QUIETRULE
                 fi }
              if
              :: st == 0 -> skip
              :: st == 1 -> CAS(s,n);                          /* [R5] */
                 if
                 :: ok && !(s & F_ARM) ->
                    arm();
                    if
                    :: arc ->
                       nx = 0;
#ifndef M_R8_NOLOOK
                       if :: stash + nl > 0 -> nx = 1 :: else -> skip fi;
                       if :: ring > 0 -> nx = 1 :: else -> skip fi;
#if NCQ>0
                       if :: q[0] > 0 -> nx = 1 :: else -> skip fi;
#endif
#if NCQ==2
                       if :: q[1] > 0 -> nx = 1 :: else -> skip fi;
#endif
#endif
                       do :: d_step { s = W; wq = 0; n = s & NOT(F_ARM); st = 1;        /* [R8] */
                                if
                                :: (s & F_MISS) || nx -> skip
                                :: else -> st = 2; n = (n - 1) & NOT(F_TAKE);
                                   if :: RUN(s) > LIM(s) -> n = n | F_MISS :: else fi; QUIETRULE
                                fi }
                             atomic { CAS(s,n); if :: ok -> break :: else -> skip fi } od;
                       retryArm();
                       if :: st == 2 -> break :: else -> skip fi
                    :: else -> skip
                    fi
                 :: else -> skip
                 fi;
#ifdef M_R5_LEAVE
                 /* the look after the arm left out */
                 do :: d_step { s = W; n = (s - 1) & NOT(F_TAKE); wq = 0; QUIETRULE } atomic { CAS(s,n); if :: ok -> break :: else -> skip fi } od; break
#endif
#ifdef M_R6_ANY
              :: st == 2 ->
                 do :: d_step { s = W; n = (s - 1) & NOT(F_TAKE); wq = 0; QUIETRULE } atomic { CAS(s,n); if :: ok -> break :: else -> skip fi } od; break
#else
              :: st == 2 -> atomic { CAS(s,n); if :: ok -> break :: else -> skip fi }    /* [R6] */
#endif
              fi
           fi
#if defined(EXCL) && LINGER>0
           fi
#endif
        fi
     fi
  od;
  QUIETWAKE
}

/* ---------------- [W1]..[W4]  rc: 1 success, 2 enabled, 3 waiter, 4 closed, 5 unwaitable, 6 woken, 7 left, 8 nothing can come */
inline look(t) {
  st = 0;
#if ENDS>0
  arc = failed;                                     /* before the count, which sees what came before the end */
#endif
  if :: (W & F_CLOSE) -> st = 4 :: else -> skip fi;
  if :: st == 0 && unw -> st = 5 :: else -> skip fi;
#if NCQ>0
  if
  :: t > 1 ->                                       /* completions are copied to be counted */
     do :: d_step { st == 0 && ring + stash + nl < t && q[0] > 0 -> q[0]--; stash++ }
        :: else -> break od
  :: else -> skip
  fi;
#endif
#if NCQ==2
  if :: t > 1 -> do :: d_step { st == 0 && ring + stash + nl < t && q[1] > 0 -> q[1]--; stash++ } :: else -> break od :: else -> skip fi;
#endif
  if :: st == 0 -> got = ring + stash + nl :: else -> skip fi;
#if NCQ>0
  if :: st == 0 && t == 1 && q[0] > 0 -> got = 1 :: else -> skip fi;
#endif
#if NCQ==2
  if :: st == 0 && t == 1 && q[1] > 0 -> got = 1 :: else -> skip fi;
#endif
  if :: st == 0 && got >= t -> st = 1 :: else -> skip fi;
  if :: st == 0 && woken -> woken = 0; st = 6 :: else -> skip fi;
#if ENDS>0
  if :: st == 0 && arc -> st = 8 :: else -> skip fi
#endif
}
inline clearWAIT() {
  do :: d_step { s = W; n = s & NOT(F_WAIT) }
        if :: n == s -> ok = 0; break
        :: else -> atomic { CAS(s,n); if :: ok -> break :: else -> skip fi } fi od
}
inline retract() {
  rc = st;
  clearWAIT();
#ifndef M_NO_ABSORB
  if :: ok -> skip :: else -> atomic { tok > 0 -> tok-- } fi;
#endif
  st = rc
}
inline wait(t, mayleave) {
  do                                                /* [W1] */
  :: d_step { s = W; n = s | F_TAKE | F_OWN; rc = 9;
       if
       :: (s & F_CLOSE) -> rc = 4
#ifndef M_W_IGN_LIM
       :: !(s & F_CLOSE) && LIM(s) > 0 -> rc = 2
       :: !(s & F_CLOSE) && LIM(s)==0 && (s & F_OWN) -> rc = 3
       :: !(s & F_CLOSE) && LIM(s)==0 && !(s & F_OWN) && (s & F_TAKE) -> rc = 8
#else
       :: !(s & F_CLOSE) && (s & F_OWN) -> rc = 3
       :: !(s & F_CLOSE) && !(s & F_OWN) && (s & F_TAKE) -> rc = 8
#endif
       :: else
       fi }
     if
     :: rc == 8 -> (!(W & F_TAKE) || (W & (F_OWN | F_CLOSE)))
     :: rc != 9 && rc != 8 -> break
     :: else -> CAS(s,n); if :: ok -> break :: else -> skip fi
     fi
  od;
  if
  :: rc != 9 -> skip
  :: else ->
     wt = t;
     look(t);
     do
     :: st != 0 -> break
     :: else ->
#ifdef M_W_LOOK_FIRST
        look(t); if :: st != 0 -> break :: else -> skip fi;
#endif
        do                                            /* [W2] */
        :: d_step { s = W; n = (s | F_WAIT | F_ARM) & NOT(F_MISS); st = 0; if :: (s & F_CLOSE) -> st = 4 :: else fi }
           if :: st -> break :: else -> CAS(s,n); if :: ok -> break :: else -> skip fi fi
        od;
        if :: st -> break :: else -> skip fi;
        if :: !(s & F_ARM) ->
#ifndef M_W_NOARM
           arm(); if :: arc -> clearARM() :: else -> skip fi
#endif
           :: else -> skip fi;
#ifndef M_W_LOOK_FIRST
        look(t);
#endif
        if
        :: st -> retract(); break
        :: else ->
           if
           :: atomic { tok > 0 -> tok-- }             /* [W3] */
           :: mayleave -> st = 7; retract(); break
           fi;
           look(t)
        fi
     od;
     rc = st; n = rc; have = (rc == 1);
     if
     :: have ->
        assert(PENDING >= t);                          /* what was counted is still there */
        take(1);
        assert(got + nx > 0);
        dlv = dlv + got
     :: else -> skip
     fi;
     st = rc;
     if :: have -> rc = 1 :: else -> skip fi;
     ok = 0; wk = 0;
     release(1);                                       /* [W4] */
     rc = (have -> 1 : st)
  fi
}

/* ---------------- processes ---------------- */
#if NCQ>0
#define NOTIFY(i) carm[i]=0; trigger(INTR,1)
#ifdef EXCL
#define LINGERER d_step { lg = 1; ml = 1 }
#else
#define LINGERER skip
#endif
proctype notifier() { DECL
end:
  do
#ifdef POLLS
  :: q[0] > 0 && !((W & F_MISS) && RUN(W) >= LIM(W)) -> LINGERER; trigger(WATCH,1); if :: c -> runner() :: else -> skip fi; CLR
#endif
  :: atomic { intr[0] > 0 -> intr[0]-- }; LINGERER; NOTIFY(0); if :: c -> runner() :: else -> skip fi; CLR
#if NCQ==2
  :: atomic { intr[1] > 0 -> intr[1]-- }; NOTIFY(1); if :: c -> runner() :: else -> skip fi; CLR
#endif
#if ARMFAIL>0
  :: atomic { retry > 0 -> retry-- };                 /* the poller tries again: it always wakes */
     trigger(POST,1); CLR
#endif
#if ENDS==1
  :: atomic { ended[0] && intr[0]==0 && !told -> told = 1 };
     dead[0] = 1; fails(); trigger(POST,1); CLR
#endif
  od
}
#endif
#ifdef WBUSY
#define WCOND && tdret          /* the only worker is the one that waits in Teardown */
#else
#define WCOND
#endif
proctype worker() { DECL
end:
  do
#ifdef M_QUED_HOLDS
  :: atomic { work > 0 WCOND -> work-- }; runner(); CLR
#else
  :: atomic { work > 0 WCOND -> work-- };
     do :: d_step { s = W; n = s & NOT(F_QUED); c = 0;          /* [W] */
              if :: RUN(s) < LIM(s) -> n = n + 1; c = 1
                 :: else ->
#ifndef M_W_NOMISS
                    n = n | F_MISS
#endif
              fi }
           atomic { CAS(s,n); if :: ok -> break :: else -> skip fi } od;
     if :: c -> runner() :: else -> skip fi; CLR
#endif
  od
}
proctype poster() { DECL byte k;
#ifdef DIRECT
  bit all;
#endif
  do
#ifdef DIRECT
  :: k < NPOST -> k++; direct(); CLR
#else
  :: k < NPOST -> k++; post(1); CLR
#endif
  :: else -> break
  od
}
#if NRAISE>0
proctype raiser() { DECL raise() }
#endif
#if NDEQ>0
proctype deq() { DECL byte k;
  do
  :: k < NDEQ -> k++; dequeue(1); CLR
  :: else -> break
  od
}
#endif
#if WD>0
#define SUSPECT(i) (q[i] > 0 && ((RUN(W)==0 && LIM(W)>0) || (W & F_WAIT)))
proctype watchdog() { DECL
end:
  do
  :: wd > 0 && SUSPECT(0) -> if :: wd < 9 -> wd-- :: else -> skip fi;
     if :: SUSPECT(0) ->
#if IDEMP || defined(M_WD_REARM)
           d_step { assert(IDEMP || (hwarm[0]==0 && intr[0]==0)); hwarm[0] = 1 };
#endif
#ifdef M_WD_INTR
           NOTIFY(0); if :: c -> runner() :: else -> skip fi
#else
           trigger(POST,1)
#endif
        :: else -> skip fi; CLR
  od
}
#endif
#if NCQ>0
proctype hw(byte i) { byte k;
  do
  :: k < NCQE -> atomic { k++; q[i]++; acc++;
       if :: hwarm[i] -> hwarm[i]=0; if :: intr[i]++ :: lostb > 0 -> lostb--; lost++ fi :: else fi }
  :: else -> break
  od;
#if ENDS>0
  ended[i] = 1
#endif
}
#endif
inline doclose() {
  do :: d_step { s = W; n = BUMP(SETLIM(s,0) | F_CLOSE); n = n & NOT(F_WAIT); wk = ((s & F_WAIT) > 0); }       /* [C] */
#ifdef M_C_IGN_WAIT
        d_step { n = (SETLIM(s,0) | F_CLOSE); wk = 0 };
#endif
        CAS(s,n); if :: ok -> break :: else -> skip fi od;
  if :: wk -> d_step { tok++; assert(tok <= 1); wk = 0 } :: else -> skip fi;
  rclosed = 1;
#ifdef M_CLOSE_IGN_TAKE
  quiet(0,9);
#else
  quiet(1,9);
#endif
  resv == 0;
  do :: take(4); if :: got + nx > 0 -> drained = drained + got :: else -> break fi od;
  td = 1; fin = 1
}
#if defined(A_ENABLE) || defined(A_ANY) || defined(A_TEARDOWN) || defined(A_WAKE) || defined(A_UNWAIT) || defined(A_WAIT) || defined(A_CLOSE)
#define ADMIN
proctype admin() { DECL
#ifdef A_ENABLE
  enable(LIMIT, STRICT);
#endif
#ifdef A_ANY
  LOCKFN; enableAny(LIMIT); UNLOCKFN;
#endif
#ifdef A_TEARDOWN
  disable(); rc = 0; quiet(0,9); tdret = 1;
#endif
#ifdef A_WAKE
  woken = 1; clearWAIT(); if :: ok -> d_step { tok++; assert(tok<=1) } :: else -> skip fi;
#endif
#ifdef A_UNWAIT
  unw = 1; clearWAIT(); if :: ok -> d_step { tok++; assert(tok<=1) } :: else -> skip fi;
#endif
#ifdef A_WAIT
  wait(A_WAIT, A_LEAVE);
#endif
#ifdef A_CLOSE
  doclose();
#endif
  skip
}
#endif
proctype consumer() { DECL byte t;
#ifdef S_MODIFY
  disable(); if :: drainEnable(LIMIT,1) :: true fi;
#endif
#ifdef S_FLIP
  disable(); enable(LIMIT, STRICT);
#endif
#ifdef S_ANY
  disable(); if :: dequeue(1) :: true fi; enableAny(LIMIT);
#endif
#ifdef S_NEW
  enable(LIMIT, NEW); t = acc;
#endif
#ifdef S_FN
  disable();
  LOCKFN;
  s = W;
  if :: FNFREE -> fnw = 1; fnw = 0; enableAny(LIMIT) :: else -> skip fi;
  UNLOCKFN;
#endif
#ifdef S_RAISE                      /* [E4] */
  do :: d_step { s = W; n = SETLIM(s,LIMIT) } atomic { CAS(s,n); if :: ok -> break :: else -> skip fi } od;
#ifndef M_RAISE_NOTRIGGER
  trigger(POST,1);
#endif
#endif
#ifdef S_LOWER
  do :: d_step { s = W; n = SETLIM(s,1) } atomic { CAS(s,n); if :: ok -> break :: else -> skip fi } od;
#endif
#if defined(S_TEARDOWN) || defined(S_TDWAIT)
  disable();
  tdbeg = 1;
  t = GEN(n);
#ifndef USEGEN
  t = 9;
#endif
#ifdef M_TD_NOWAIT
  rc = 1;
#else
  quiet(0, t);
#endif
  atomic { if :: rc == 1 && LIM(W)==0 -> td = 1 :: else -> skip fi; tdret = 1 };
#endif
#ifdef S_TDWAIT
  CLR; wait(1, 1); assert(rc != 2);
#endif
#ifdef S_WAIT
  do
  :: dlv < S_ROUNDS ->
     wait(S_WAIT, S_LEAVE);
     if :: rc == 1 -> CLR :: (rc == 7 || rc == 6) && S_AGAIN -> CLR :: else -> break fi
  :: else -> break
  od;
  fin = 1;
#ifdef S_THEN_ENABLE
  CLR; if :: rc != 4 -> drainEnable(LIMIT,1) :: else -> skip fi;
#endif
#endif
#ifdef S_CLOSE
  doclose();
#endif
  skip
}
proctype monitor() {
  timeout;
  d_step {
    assert(nup==0 && hand==0 && resv==0 && !tk);
    if
    :: lingers -> assert(RUN(W)==1 && (W & F_TAKE))
    :: else -> assert(RUN(W)==0 && (!(W & F_TAKE) || (W & F_OWN)))
    fi;
#ifndef WBUSY
    assert(!(W & F_QUED) && work==0);
#endif
    assert(!(W & F_QUIET));
    assert(acc == dlv + drained + ring + stash + CQS);
    assert(nacc == ndlv + nc && (nc==0 || nl==1) && nl<=1);
    assert(tok == 0);
    if
    :: LIM(W) > 0 ->
#ifdef S_NEW
       assert(!newok || PENDING==0 || dlv==0);                  /* all, or nothing came after it: see below */
       assert(LOST>0 || ENDS>0 || HWARMED)
#else
       assert(PENDING == 0);                                    /* NO LOST EVENT */
       assert(LOST>0 || ENDS>0 || HWARMED)                                /* and the next one will be noticed */
#endif
    :: else
    fi;
    if
    :: (W & F_WAIT) -> assert(PENDING < wt); assert(LOST>0 || ENDS>0 || HWARMED); assert(!unw && !woken && !(W & F_CLOSE))
    :: else -> assert(!(W & F_OWN))
    fi;
#if defined(S_TEARDOWN) || defined(S_TDWAIT) || defined(A_TEARDOWN)
    assert(tdret);                                              /* nobody waits for ever */
#endif
#if defined(S_CLOSE) || defined(A_CLOSE)
    assert(fin && td && ring==0 && stash==0 && nl==0 && (W & F_CLOSE));
#endif
#ifdef MUSTFIN
    assert(fin);
#endif
  }
}
init {
  byte i;
  atomic {
#if defined(S_WAIT) || defined(S_NEW) || defined(STARTOFF)
    W = (NCQ==0 -> F_ARM : 0);
#else
#ifdef S_RAISE
    W = F_ARM | (1 << 2);
#else
    W = F_ARM | (LIMIT << 2);
#endif
#if NCQ>0
    i = 0; do :: i < NCQ -> hwarm[i] = 1 - POLLED; carm[i] = 1; i++ :: else -> break od;
#endif
#endif
    i = 0; do :: i < WORKERS -> run worker(); i++ :: else -> break od;
    i = 0; do :: i < NSW -> run poster(); i++ :: else -> break od;
#if NCQ>0
    run notifier();
    i = 0; do :: i < NCQ -> run hw(i); i++ :: else -> break od;
#endif
#if NDEQ>0
    run deq();
#endif
#if NRAISE>0
    i = 0; do :: i < NRAISE -> run raiser(); i++ :: else -> break od;
#endif
#if WD>0
    run watchdog();
#endif
    run consumer();
#ifdef ADMIN
    run admin();
#endif
    run monitor();
    i = 0
  }
}
