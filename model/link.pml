/* Who arms: the link word of one CQ (ARMED, WATCH, HW) between the machine that
 * wants to hear of completions and the poller that polls for a while and then
 * sleeps. The machine's word has RUN (at most 1), MISS and ARM. Labels as in
 * README.md.
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
#define W_RUN 1
#define W_MISS 2
#define W_ARM 4
#define L_ARMED 1
#define L_WATCH 2
#define L_HW 4
#define NOT(f) (7 - (f))
#define CAS(x,o,nw) d_step { if :: x==(o) -> x=(nw); ok=1 :: else -> ok=0 fi }

byte W, L = L_WATCH;
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
  d_step { L = (L & NOT(L_ARMED) & NOT(L_HW)) | L_WATCH }
#else
  d_step { L = (L & NOT(L_ARMED) & NOT(L_HW)) | L_WATCH };
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
proctype poller() { DECL
  trigger(WATCH); if :: c -> runner() :: else -> skip fi;           /* what was there before, and the first arm */
  do
  :: /* polls for a while */
     do
     :: q > 0 -> trigger(WATCH); if :: c -> runner() :: else -> skip fi
     :: true -> break
     od;
     if :: retry -> retry = 0; trigger(WATCH); if :: c -> runner() :: else -> skip fi :: else -> skip fi;
#ifdef M_LOOK_BEFORE_UNWATCH
     c = (q > 0);
     if :: c -> trigger(WATCH); if :: c -> runner(); c = 1 :: else -> skip fi :: else -> skip fi;
     if :: c -> skip :: else -> unwatch(); c = bad fi;
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
        if :: q > 0 -> trigger(WATCH); if :: c -> runner(); c = 1 :: else -> skip fi :: else -> c = 0 fi
     fi;
#endif
     if
     :: c -> d_step { L = L | L_WATCH }                             /* [L3] */
     :: else ->
end:    if
        :: atomic { intr > 0 -> intr-- }; event()
        :: atomic { wake > 0 -> wake-- }; d_step { L = L | L_WATCH }
        :: atomic { retry > 0 -> retry-- }; d_step { L = L | L_WATCH }; trigger(WATCH); if :: c -> runner() :: else -> skip fi
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
proctype monitor() {
  timeout;
  d_step {
    assert(q == 0 && acc == dlv && running == 0 && !(W & W_RUN));
    assert(ENDS || (W & W_ARM));
    assert(ENDS || ((L & L_ARMED) && (L & L_HW) && hwarm))                     /* asleep and armed */
  }
}
init { atomic { run poller(); run worker(); run hw(); run poster(); run waker(); run monitor() } }
