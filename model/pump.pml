/* Pumps: each moves the completions of one CQ into the ring of an EVD, which is
 * consumed by takers. A pump has a word of its own (RUN, LIM, MISS, ARM); of the
 * EVD's word only STALL matters here. Labels as in README.md.
 */
#ifndef NCQ
#define NCQ 1
#endif
#ifndef NCQE
#define NCQE 2
#endif
#ifndef RCAP
#define RCAP 1
#endif
#ifndef NSW
#define NSW 0          /* software posts that take room in the ring */
#endif

#ifdef S_NEW
#define NEW 1
#else
#define NEW 0
#endif

#define P_RUN 1
#define P_MISS 2
#define P_ARM 4
#define P_LIM 8
#define PNOT(f) (15 - (f))
#define PCAS(o,nw) d_step { if :: P[i]==(o) -> P[i]=(nw); ok=1 :: else -> ok=0 fi }

byte P[NCQ]; byte q[NCQ]; bit hwarm[NCQ]; byte intr[NCQ]; byte stash[NCQ]; byte kick[NCQ];
byte ring; bit stall, rclosed;
bit removed[NCQ], failed[NCQ];      /* the device is gone; its poller has heard of it, and ends */
bit on = 1, trig, miss;             /* the EVD: upcalls enabled, a run asked for, a mark left while they were not */
#ifdef LOOK
bit holds;                          /* the pump has completions that are on their way */
#endif
bit newer;                          /* a completion came after enabling */
byte acc, taken, drained; byte running[NCQ]; bit fin;

#define INTR 0
#define WATCH 1
#define DECL byte s, n, i, left; bit ok, c, got;

/* [T] on a pump: whoever calls it runs the pump itself, or leaves the mark */
inline ptrig(src) {
  do
  :: d_step { s = P[i]; n = s; c = 0;
       if :: src==INTR -> n = n & PNOT(P_ARM) :: else fi;
       if :: (s & P_LIM) && !(s & P_RUN) -> n = n | P_RUN; c = 1 :: else -> n = n | P_MISS fi }
     if :: n == s -> break
        :: else -> atomic { PCAS(s,n); if :: ok -> break :: else -> skip fi } fi
  od
}
/* [T] on the EVD, as far as it matters here */
inline trigger() { d_step { if :: on -> trig = 1 :: else -> miss = 1 fi } }
/* as much of the stash into the ring as fits; ok tells whether something did */
inline place() {
  ok = 0;
#ifdef M_HOLDS_SHORT
  holds = 0;
#endif
  d_step { do :: !rclosed && stash[i] > 0 && ring < RCAP -> ring++; stash[i]--; ok = 1 :: else -> break od };
#ifdef LOOK
  if :: stash[i] == 0 -> holds = 0 :: else -> skip fi;                                           /* [P6] */
#endif
  if :: ok -> trigger() :: else -> skip fi
}
/* A borrowed run leaves the rest to the poller, if there is one: failed is read
 * after the word and before the exchange from that word without MISS, and a poller
 * that ends sets failed and then MISS. */
#ifdef M_KICK_NOBODY
#define STAYS 1
#else
#define STAYS !failed[i]
#endif
/* the pump with its slot; borrowed: by one who has just freed space */
inline prun(borrowed) {
  d_step { running[i]++; assert(running[i] == 1); left = RCAP };
  do
  :: d_step { s = P[i]; n = (s & PNOT(P_RUN)) | P_MISS; c = ((s & P_LIM) == 0) };
     if
     :: c -> atomic { PCAS(s,n); if :: ok -> running[i]--; break :: else -> skip fi }         /* [P1] */
     :: else ->
        if
        :: stash[i] == 0 && (borrowed) && left == 0 && STAYS ->
#ifdef M_P4_KEEP_MISS
           n = s & PNOT(P_RUN);
#else
           d_step { if :: s & P_MISS -> n = s & PNOT(P_MISS) :: else -> n = s & PNOT(P_RUN) fi };
#endif
           atomic { PCAS(s,n); if :: ok && !(n & P_RUN) -> running[i]--;                           /* [P4] */
#ifndef M_NO_KICK
                kick[i] = 1;
#endif
                break :: else -> skip fi }
        :: else ->
           if
#ifdef LOOK
           :: stash[i] == 0 && q[i] > 0 ->
#ifdef M_HOLDS_LATE
              q[i]--; holds = 1;
#else
              holds = 1; q[i]--;                                                                 /* [P5] */
#endif
              d_step { stash[i]++; if :: left > 0 -> left-- :: else fi }
           :: stash[i] == 0 && q[i] == 0 -> skip
#else
           :: stash[i] == 0 -> d_step { if :: q[i] > 0 -> q[i]--; stash[i]++; if :: left > 0 -> left-- :: else fi :: else fi }
#endif
           :: else -> skip
           fi;
           if
           :: stash[i] > 0 ->
              place();
              if
              :: ok -> skip
              :: else ->
#ifdef M_LEAVE_WITH_MISS
                 setstall();
                 place();
                 if :: ok -> skip :: else ->
                    do :: d_step { s = P[i]; n = (s & PNOT(P_RUN)) | P_MISS } atomic { PCAS(s,n); if :: ok -> running[i]--; break :: else -> skip fi } od;
                    break
                 fi
#else
                 d_step { s = P[i]; n = s & PNOT(P_MISS) };
                 if :: n != s -> PCAS(s,n) :: else -> ok = 1 fi;
                 if
                 :: !ok -> skip
                 :: else ->
                    got = 0; s = n;
#ifdef M_STALL_AFTER_LOOK
                    c = 0; place(); c = ok;
                    if :: !c -> setstall() :: else -> skip fi;
                    ok = c;
#else
                    setstall();                                                                /* [S] */
                    place();
#endif
                    if
                    :: ok -> skip
                    :: else -> n = s & PNOT(P_RUN);                                              /* [P2] [P3] */
                       atomic { PCAS(s,n); if :: ok -> running[i]-- :: else -> skip fi };
#ifdef M_STALL_NOTRIGGER
                       if :: ok -> break :: else -> skip fi
#else
                       if :: ok -> trigger(); break :: else -> skip fi                           /* what it holds may be new */
#endif
                    fi
                 fi
#endif
              fi
           :: else ->                                                                          /* [R5] [R6] */
              d_step { s = P[i]; got = ((s & P_MISS) || !(s & P_ARM));
                       if :: got -> n = (s | P_ARM) & PNOT(P_MISS) :: else -> n = s & PNOT(P_RUN) fi; c = ((s & P_LIM) == 0) };
              if
              :: c -> skip
              :: !c && got -> PCAS(s,n);
                 if
                 :: ok && !(s & P_ARM) && !removed[i] -> d_step { assert(hwarm[i]==0 && intr[i]==0); hwarm[i] = 1 }
                 :: ok && !(s & P_ARM) && removed[i] -> left = left | 128; c = (q[i] > 0);         /* [R8] */
                    do
                    :: d_step { s = P[i]; n = s & PNOT(P_ARM); got = !(s & P_MISS) && !c; if :: got -> n = n & PNOT(P_RUN) :: else fi }
                       atomic { PCAS(s,n); if :: ok && got -> running[i]--; break :: ok && !got -> break :: else -> skip fi }
                    od;
                    if :: got -> break :: else -> left = left & 127 fi
                 :: else -> skip
                 fi
              :: else -> atomic { PCAS(s,n); if :: ok -> running[i]--; break :: else -> skip fi }
              fi
           fi
        fi
     fi
  od
}
inline setstall() {
#ifndef M_NO_STALL
  stall = 1
#else
  skip
#endif
}
/* a taker: one event, and then the pumps that had gone away */
inline takeOne() {
  d_step { got = 0; if :: ring > 0 -> ring--; taken++; got = 1 :: else fi };
#ifdef M_TAKER_IGN_STALL
  skip
#else
  d_step { c = stall; stall = 0 };
  if
  :: c -> i = 0;
     do
     :: i < NCQ -> ptrig(WATCH); if :: c -> prun(1) :: else -> skip fi; i++
     :: else -> break
     od;
     i = 0
  :: else -> skip
  fi
#endif
}
proctype taker() { DECL
end:
  do
#ifdef S_CLOSE
  :: ring > 0 && !fin -> takeOne()
#else
  :: on && trig -> trig = 0;
     do :: ring > 0 -> takeOne() :: else -> break od
#endif
  od
}
proctype poller(byte me) { DECL i = me;
end:
  do
  :: atomic { intr[i] > 0 -> intr[i]-- }; ptrig(INTR); if :: c -> prun(0) :: else -> skip fi
  :: atomic { kick[i] > 0 -> kick[i] = 0 }; ptrig(WATCH); if :: c -> prun(0) :: else -> skip fi
  :: removed[i] -> failed[i] = 1; ptrig(WATCH); if :: c -> prun(0) :: else -> skip fi; break
  od
}
proctype hw(byte me) { byte k;
  do
  :: k < NCQE -> atomic { k++; q[me]++; acc++; newer = newer || (NEW && on); if :: hwarm[me] -> hwarm[me] = 0; intr[me]++ :: else fi }
  :: else -> break
  od
}
#if NSW>0
proctype poster() { byte k;
  do
  :: k < NSW -> k++; d_step { if :: !rclosed && ring < RCAP -> ring++; acc++ :: else fi }; trigger()
  :: else -> break
  od
}
#endif
#ifdef S_CLOSE
proctype closer() { DECL
  i = 0;
#ifndef M_CLOSE_NO_PUMP
  do
  :: i < NCQ ->
     do :: d_step { s = P[i]; n = s & PNOT(P_LIM) } atomic { PCAS(s,n); if :: ok -> break :: else -> skip fi } od;
     !(P[i] & P_RUN); i++
  :: else -> break
  od;
#endif
  rclosed = 1; fin = 1;
  d_step { drained = ring; ring = 0; i = 0; do :: i < NCQ -> drained = drained + stash[i]; stash[i] = 0; i++ :: else -> break od }
}
#endif
#ifdef S_NEW
/* enabling for what is new: [E1], then [E6], then the look for a pump that holds
 * something, of which nobody would hear again */
proctype enabler() { byte i; bit c;
  miss = 0;
  d_step { on = 1; if :: miss -> trig = 1 :: else fi };
#ifndef M_NEW_IGN_STASH
  do
  :: i < NCQ -> if :: stash[i] > 0 -> trigger() :: else -> skip fi; i++
  :: else -> break
  od
#endif
}
#endif
#ifdef LOOK
/* whoever asks whether something is pending: what had come before is found, or
 * has been taken */
proctype looker() { byte came; bit found;
  came = acc;
#ifdef M_LOOK_RING_FIRST
  found = ring > 0;
  found = found || q[0] > 0;
  found = found || holds;
#else
  found = q[0] > 0;
  found = found || holds;
  found = found || ring > 0;
#endif
  assert(found || taken >= came)
}
#endif
proctype monitor() { byte i;
  timeout;
  d_step {
#ifdef S_CLOSE
    assert(fin && ring == 0);
    i = 0; do :: i < NCQ -> assert(stash[i]==0 && running[i]==0); i++ :: else -> break od;
    assert(acc == taken + drained + q[0] + (NCQ==2 -> q[NCQ-1] : 0));
#else
    assert(NEW && !newer || ring == 0 && acc == taken);
    i = 0; do :: i < NCQ -> assert(NEW && !newer || q[i]==0 && stash[i]==0); assert(running[i]==0 && !(P[i] & P_RUN) && (hwarm[i] || removed[i] || NEW && !newer)); i++ :: else -> break od
#endif
  }
}
init { byte i;
  atomic {
    do :: i < NCQ -> 
#ifdef ENDS                         /* all have come, and the pump has gone away from a full ring */
       P[i] = P_LIM; ring = 1; stash[i] = 1; q[i] = NCQE - 2; stall = 1; trig = 1; acc = acc + NCQE; removed[i] = 1; run poller(i);
#else
       P[i] = P_LIM | P_ARM; hwarm[i] = 1; run poller(i); run hw(i);
#endif
       i++ :: else -> break od;
    run taker();
#ifdef LOOK
    run looker();
#endif
#ifdef TAKERS
    run taker();
#endif
#ifdef S_NEW
    on = 0; run enabler();
#endif
#if NSW>0
    run poster();
#endif
#ifdef S_CLOSE
    run closer();
#endif
    run monitor();
    i = 0
  }
}
