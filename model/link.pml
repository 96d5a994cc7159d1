/* Who arms: the link word of one CQ (ARMED, WATCH, HW) between the machine that
 * wants to hear of completions and the poller that polls for a while and then
 * sleeps. The machine's word has RUN (at most 1), MISS and ARM. Labels as in
 * README.md. The poller's mode may be switched while all that goes on.
 */
#ifndef NCQE
#define NCQE 2
#endif
#ifndef NPOST
#define NPOST 1        /* looks that a poster asks for: a worker runs */
#endif
#ifndef ARMFAIL
#define ARMFAIL 0
#endif
#ifndef ENDS
#define ENDS 0         /* the CQ ends behind its last completion: arms fail, and nobody tries again */
#endif
#ifndef MODE0
#define MODE0 ADAPT    /* the mode it begins with */
#endif
#ifndef NBORROW
#define NBORROW 0      /* runs that leave completions to the poller, and wake it: [P4] */
#endif
#define EVENT 0
#define ADAPT 1
#define SPIN 2
#define W_RUN 1
#define W_MISS 2
#define W_ARM 4
#define L_ARMED 1
#define L_WATCH 2
#define L_HW 4
#define NOT(f) (7 - (f))
#define CAS(x,o,nw) d_step { if :: x==(o) -> x=(nw); ok=1 :: else -> ok=0 fi }

byte W, L = (MODE0 == EVENT -> 0 : L_WATCH), mode = MODE0;
byte q, intr, work, acc, dlv; bit hwarm, ended; byte running, armf = ARMFAIL, retry, wake;
#define DECL byte s, n, l, m; bit ok, c, bad;
#define POST 0
#define INTR 1
#define WATCH 2

inline hwArm() {
  if
  :: armf > 0 -> armf--; bad = 1
  :: ended -> bad = 1
  :: !ended -> d_step { assert(hwarm==0 && intr==0); hwarm = 1; bad = 0 }
  fi
}
/* [L1] */
inline armWanted() {
  bad = 0;
  do
  :: d_step { l = L; m = l | L_ARMED; if :: !(l & L_WATCH) -> m = m | L_HW :: else fi };
     if :: l & L_ARMED -> break :: else -> skip fi;
     CAS(L,l,m);
     if
     :: !ok -> skip
     :: else ->
#ifdef M_ALWAYS_HW
        hwArm();
#else
        if :: l & L_WATCH -> skip :: else -> hwArm() fi;
#endif
        if :: bad -> d_step { L = L & NOT(L_ARMED) & NOT(L_HW) }; retry = !ended :: else -> skip fi;    /* [L5] */
        break
     fi
  od
}
inline trigger(src) {
  do
  :: d_step { s = W; n = s; c = 0;
       if :: src==INTR -> n = n & NOT(W_ARM) :: else fi;
       if :: s & W_RUN -> n = n | W_MISS :: else -> n = n | W_RUN; c = 1 fi };
     if :: n == s -> break :: else -> atomic { CAS(W,s,n); if :: ok -> break :: else -> skip fi } fi
  od
}
inline runner() {
  d_step { running++; assert(running == 1) };
  do
  :: d_step { c = (q > 0); if :: c -> q--; dlv++ :: else fi };
     if
     :: c -> skip
     :: else ->
        d_step { s = W; c = ((s & W_MISS) || !(s & W_ARM)); if :: c -> n = (s | W_ARM) & NOT(W_MISS) :: else -> n = s & NOT(W_RUN) fi };
        if
        :: c -> CAS(W,s,n);
           if
           :: ok && !(s & W_ARM) ->
              armWanted();
              if
              :: bad ->                                             /* [R8], with its look */
                 l = (q > 0);
                 do :: d_step { s = W; n = s & NOT(W_ARM); c = ((s & W_MISS) == 0 && l == 0); if :: c -> n = n & NOT(W_RUN) :: else fi }
                       atomic { CAS(W,s,n); if :: ok -> if :: c -> running-- :: else fi; break :: else -> skip fi } od;
                 if :: c -> break :: else -> skip fi
              :: else -> skip
              fi
           :: else -> skip
           fi
        :: else -> atomic { CAS(W,s,n); if :: ok -> running--; break :: else -> skip fi }
        fi
     fi
  od
}
/* [L4]: the event, then the trigger */
inline event() {
#ifdef M_TRIGGER_BEFORE_FIRED
  trigger(INTR);
  if :: c -> runner() :: else -> skip fi;
  skip;
  d_step { L = (L & NOT(L_ARMED) & NOT(L_HW)) | (pm == EVENT -> 0 : L_WATCH) }
#else
  d_step { L = (L & NOT(L_ARMED) & NOT(L_HW)) | (pm == EVENT -> 0 : L_WATCH) };
  trigger(INTR);
  if :: c -> runner() :: else -> skip fi
#endif
}
/* [L2] ok: armed or nobody wants it; the caller looks again */
inline unwatch() {
  bad = 0;
  do
  :: d_step { l = L; m = l & NOT(L_WATCH); c = ((l & L_ARMED) && !(l & L_HW)); if :: c -> m = m | L_HW :: else fi };
#ifdef M_UNWATCH_NOARM
     d_step { c = 0; m = l & NOT(L_WATCH) };
#endif
     CAS(L,l,m);
     if :: ok -> break :: else -> skip fi
  od;
  if :: c -> hwArm(); if :: bad -> d_step { L = (L & NOT(L_HW)) | L_ARMED | L_WATCH } :: else -> skip fi :: else -> skip fi
}
inline look() { trigger(WATCH); if :: c -> runner() :: else -> skip fi }
inline watch() { d_step { L = L | L_WATCH } }                       /* [L3] */
/* One pass is decided by one load of the mode [M2], what follows a sleep included. */
proctype poller() { DECL byte pm;
  look();                                                           /* what was there before, and the first arm */
  do
  :: pm = mode;                                                     /* [M2] */
     if :: pm != EVENT -> watch() :: else -> skip fi;
     if :: retry -> retry = 0; look() :: else -> skip fi;
     if
     :: pm != EVENT ->
endpoll:do                                                          /* polls for a while, or until told otherwise */
        :: q > 0 -> look()
        :: pm == ADAPT -> break
        :: mode != pm -> break
        od
     :: else -> skip
     fi;
     if
     :: pm == SPIN -> c = 1                                          /* it is another mode now */
#ifdef M_SW_NOREST
     :: pm == EVENT -> c = 0
     :: pm == ADAPT ->
#else
     :: pm == EVENT && !(L & L_WATCH) -> c = 0
     :: else ->                                                     /* [M3] from polling to events: its way to sleep */
#endif
#ifdef M_LOOK_BEFORE_UNWATCH
        c = (q > 0);
        if :: c -> look(); c = 1 :: else -> unwatch(); c = bad fi;
#else
        unwatch();
        if
        :: bad && !ended -> c = 1
#ifdef M_END_NOLOOK
        :: bad && ended -> c = 0
        :: !bad ->
#else
        :: else ->
#endif
           if :: q > 0 -> look(); c = 1 :: else -> c = 0 fi
        fi;
#endif
        if :: c -> watch() :: else -> skip fi
     fi;
     if
     :: c -> skip
     :: else ->
end:    if
        :: atomic { intr > 0 -> intr-- }; event()
        :: atomic { wake > 0 -> wake-- };
#ifdef M_WAKE_NOLOOK
           if :: pm == EVENT -> look() :: else -> watch() fi
#else
           if :: pm == EVENT -> skip :: else -> watch() fi; look()  /* a wake means "look", in every mode */
#endif
        :: atomic { retry > 0 -> retry-- }; if :: pm == EVENT -> skip :: else -> watch() fi; look()
        fi
     fi
  od
}
proctype worker() { DECL
end:
  do
  :: atomic { work > 0 -> work-- }; trigger(POST); if :: c -> runner() :: else -> skip fi
  od
}
proctype hw() { byte k;
  do
  :: k < NCQE -> atomic { k++; q++; acc++; if :: hwarm -> hwarm = 0; intr++ :: else fi }
  :: else -> break
  od;
  ended = ENDS
}
proctype poster() { byte k;
  do :: k < NPOST -> k++; work++ :: else -> break od
}
proctype waker() { wake++ }
/* [M1] announce, then wake */
inline switchTo(m) {
#ifdef M_SW_WAKE_FIRST
  wake++; mode = m
#else
  mode = m;
#ifndef M_SW_NOWAKE
  wake++
#endif
#endif
}
proctype switcher() {
#ifdef SW1
  switchTo(SW1);
#endif
#ifdef SW2
  switchTo(SW2);
#endif
  skip
}
/* Somebody who runs for a moment, takes nothing and leaves the rest to the poller. */
proctype borrower() { byte s, n, k; bit ok, c;
  do
  :: k < NBORROW -> k++; trigger(WATCH);
     if
     :: c ->
        do
        :: s = W;
           if
           :: s & W_MISS -> n = s & NOT(W_MISS); CAS(W,s,n)
           :: else -> n = s & NOT(W_RUN); atomic { CAS(W,s,n); if :: ok -> break :: else -> skip fi }
           fi
        od;
        wake++
     :: else -> skip
     fi
  :: else -> break
  od
}
proctype monitor() {
  timeout;
  d_step {
    assert(q == 0 && acc == dlv && running == 0 && !(W & W_RUN));
    assert(ENDS || (W & W_ARM));
    assert(ENDS || (L & L_ARMED));
    if
    :: mode == SPIN -> assert(L & L_WATCH)                                     /* it polls */
    :: else -> assert(ENDS || (!(L & L_WATCH) && (L & L_HW) && hwarm))         /* asleep and armed */
    fi
  }
}
init { atomic { run poller(); run worker(); run hw(); run poster(); run waker(); run switcher(); run borrower(); run monitor() } }
