/* The overflow list of software posts: producers over a ring of RCAP places and a
 * list behind it, one runner, and a pump that wants the ring too. Of the EVD's word
 * only RUN (at most 1), MISS, QUED, STALL and WAIT matter here; the pump's has RUN and MISS.
 * Labels as in README.md.
 */
#ifndef NEV
#define NEV 2          /* events of each producer */
#endif
#ifndef NPROD
#define NPROD 2
#endif
#ifndef RCAP
#define RCAP 1
#endif
#ifndef NCQE
#define NCQE 0         /* completions, for the pump */
#endif
#ifndef LCAP
#define LCAP 4         /* SpillLimit */
#endif
#define RUN 1
#define MISS 2
#define STALL 4
#define QUED 8
#define WAIT 16        /* with WANT: a waiter has the EVD, nobody runs */
#define NOT(f) (31 - (f))
#define WCAS(o,nw) d_step { if :: W==(o) -> W=(nw); ok=1 :: else -> ok=0 fi }
#define PCAS(o,nw) d_step { if :: P==(o) -> P=(nw); ok=1 :: else -> ok=0 fi }

byte W, P, work, pwork;
byte head, tail, slot[RCAP]; bit comm[RCAP], closed;
byte list[LCAP+RCAP], ln; bit flag, mu;
byte q = NCQE, stash, last[4];
byte acc, out, by;                  /* by: completions placed while the list was not empty */
bit fin;
byte aside;                         /* what the waiter has put aside; in order, so delivered in effect */
#define DECL byte s, n, v, u, t, e, st; bit ok, c, f;
#define CLEAN d_step { s = 0; n = 0; v = 0; u = 0; t = 0; e = 0; st = 0; ok = 0; c = 0; f = 0 }
#define OK 1
#define FULL 2
#define CLOSED 3

inline lock() { atomic { mu == 0 -> mu = 1 } }
inline unlock() { mu = 0 }
inline deliver(x) { assert((x) % 8 > last[(x)/8]); last[(x)/8] = (x) % 8; out++ }
inline deliverAll() { d_step { deliver(v); if :: u > 0 -> deliver(u) :: else fi; v = 0; u = 0 } }
/* [T] */
inline trigger() {
  do
#ifdef WANT
  :: s = W;
     d_step {
       n = s | MISS;
       if
       :: s & WAIT -> n = s;
#ifdef M_ENOUGH_IGN_STALL
          if :: tail - head + ln + aside >= WANT -> n = s & NOT(WAIT) :: else fi
#else
          if :: tail - head + ln + aside >= WANT || (s & STALL) -> n = s & NOT(WAIT) :: else fi
#endif
       :: else
       fi };
     if :: n == s -> break
        :: else -> WCAS(s,n); if :: ok -> break :: else -> skip fi fi
#else
  :: d_step { s = W; if :: s & RUN -> n = s | MISS :: else -> n = s | QUED fi };
     if :: n == s -> break
        :: else -> atomic { WCAS(s,n); if :: ok -> if :: s & RUN :: else -> work++ fi; break :: else -> skip fi } fi
#endif
  od
}
inline ptrigger() {
  do
  :: d_step { s = P; if :: s & RUN -> n = s | MISS :: else -> n = s | RUN fi };
     if :: n == s -> break
        :: else -> atomic { PCAS(s,n); if :: ok -> if :: s & RUN :: else -> pwork++ fi; break :: else -> skip fi } fi
  od
}
/* into the ring: a place, then the event */
inline push(x) {
  d_step {
    if
    :: closed -> st = CLOSED
    :: !closed && tail - head == RCAP -> st = FULL
    :: else -> st = OK; t = tail % RCAP; tail++; slot[t] = x
    fi };
  if :: st == OK -> comm[t] = 1 :: else -> skip fi
}
inline popRing() { d_step { v = slot[head % RCAP]; comm[head % RCAP] = 0; head++; c = 1 } }
inline look() { d_step { if :: head == tail -> e = 0 :: head != tail && comm[head % RCAP] -> e = 1 :: else -> e = 2 fi } }
inline shift(x) { x = list[0]; ln--; e = 0; do :: e < ln -> list[e] = list[e+1]; e++ :: else -> break od; list[ln] = 0; e = 0 }
/* two at most */
inline popList() {
  d_step { shift(v); c = 1; u = 0;
#ifdef M_CLEAR_EARLY
    flag = 0;
#else
    if :: ln > 0 -> shift(u) :: else fi;
    if :: ln == 0 -> flag = 0 :: else fi;
#endif
    e = 0
  }
}
#ifdef URGENT
byte ulist[NPROD], uln; bit uflag;
inline popUrgent() {
  d_step { v = ulist[0]; uln--; e = 0; do :: e < uln -> ulist[e] = ulist[e+1]; e++ :: else -> break od; ulist[uln] = 0; e = 0; c = 1; u = 0;
    if :: uln == 0 -> uflag = 0 :: else fi; e = 0 }
}
#endif
/* [O2] under the lock: whoever appended needed it, so what he put into the ring
 * before shows; only from an empty ring, in flight is not empty */
inline takeList() {
#ifdef M_LOOK_BEFORE_LOCK
  look(); lock();
#else
  lock(); look();
#endif
#ifdef M_TAKE_IN_FLIGHT
  if :: e == 2 -> e = 0 :: else -> skip fi;
#endif
#ifdef URGENT
  if :: uln > 0 -> e = 3 :: else -> skip fi;
#endif
  if
#ifdef URGENT
  :: e == 3 -> popUrgent()
#endif
  :: e == 1 -> popRing()
  :: e == 0 && ln > 0 -> popList()
  :: else -> skip
  fi;
  unlock()
}
inline take() {
#ifdef URGENT
  c = 0;
  if :: uflag -> lock(); if :: uln > 0 -> popUrgent() :: else -> skip fi; unlock() :: else -> skip fi;
  if :: c -> skip :: else -> takeRest() fi
}
inline takeRest() {
#endif
  d_step { c = 0; if :: head != tail && comm[head % RCAP] -> c = 1 :: else fi };
#ifdef URGENT
#ifndef M_URGENT_LOOK_FIRST
  d_step { f = uflag; if :: f && c -> c = 0 :: else -> f = 0 fi };                              /* [O5] after the ring was seen */
#else
  f = 0;
#endif
#endif
  if
#ifdef URGENT
  :: f -> lock(); if :: uln > 0 -> popUrgent() :: else -> skip fi; unlock()
  :: !f && c -> popRing()
  :: !f && !c && flag -> takeList()
#else
  :: c -> popRing()
  :: !c && flag -> takeList()
#endif
  :: else -> skip
  fi
}
/* the slot is held: [R4], [R5], [R6] */
inline runner() {
  do
  :: take();
     if
     :: c -> deliverAll();
        d_step { c = ((W & STALL) != 0); W = W & NOT(STALL) };
        if :: c -> ptrigger() :: else -> skip fi;
        skip;
        CLEAN
     :: else ->
        s = W;
        if
        :: s & MISS -> WCAS(s, s & NOT(MISS))
        :: else -> WCAS(s, s & NOT(RUN)); if :: ok -> break :: else -> skip fi
        fi;
        skip;
        CLEAN
     fi
  od
}
proctype worker() { DECL
end:
  do
  :: atomic { work > 0 -> work--;                                                               /* [W] */
       if :: W & RUN -> W = (W | MISS) & NOT(QUED); c = 0 :: else -> W = (W | RUN) & NOT(QUED); c = 1 fi };
     if :: c -> runner() :: else -> skip fi;
     skip;
     CLEAN
  od
}
/* [O1] the list's way: st is OK, FULL or CLOSED */
inline append(x) {
  lock();
  if
  :: !flag -> push(x)
  :: else -> st = FULL
  fi;
  if
  :: st == FULL && (ln < LCAP || ln + tail - head < LCAP + RCAP) ->
     d_step { list[ln] = x; ln++; st = OK };
#ifdef M_FLAG_LATE
     unlock();
#endif
     d_step { if :: !flag -> by = 0 :: else fi; flag = 1 }
  :: else -> skip
  fi;
  unlock()
}
#ifdef URGENT
/* [O5] each producer's first is one that goes ahead */
inline postUrgent(x) {
#ifdef M_URGENT_CLOSED_EARLY
  c = closed; lock();
#else
  lock(); c = closed;
#endif
  if
  :: c -> st = CLOSED
  :: else -> d_step { ulist[uln] = x; uln++; st = OK };
#ifdef M_URGENT_FLAG_LATE
     unlock();
#endif
     uflag = 1
  fi;
  unlock()
}
#endif
proctype poster(byte me) { DECL byte k = 1, x;
  do
  :: k > NEV -> break
  :: else ->
     x = me * 8 + k; k++; st = FULL;
#ifdef URGENT
     if :: k == 2 -> postUrgent(x); if :: st == OK -> acc++; trigger() :: else -> skip fi; goto next :: else -> skip fi;
#endif
#ifdef DIRECT
     /* [X1]: the word, then flag and ring, then from exactly that word */
     s = W;
#ifdef M_DIRECT_IGN_FLAG
     f = 0;
#else
     f = flag;
#endif
#ifdef URGENT
#ifndef M_DIRECT_IGN_URGENT
     if :: uflag -> f = 1 :: else -> skip fi;
#endif
#endif
     c = (head == tail);
     ok = 0;
     if :: !f && c && !(s & RUN) -> WCAS(s, s | RUN) :: else -> skip fi;
     if
     :: ok -> d_step { acc++; deliver(x) }; s = W;
        if :: s & MISS -> ok = 0 :: else -> WCAS(s, s & NOT(RUN)) fi;                            /* [X2] */
        if :: ok -> skip :: else -> runner() fi;
        goto next
     :: else -> skip
     fi;
#endif
#ifdef M_POST_IGN_FLAG
     f = 0;
#else
     f = flag;                                                                                  /* [O3] */
#endif
     if :: f -> skip :: else -> push(x) fi;
     if :: st == FULL -> append(x) :: else -> skip fi;
     if
     :: st == OK -> acc++;
#ifdef M_SPILL_TELLS_NOBODY
        if :: flag -> skip :: else -> trigger() fi
#else
        trigger()
#endif
     :: else -> skip
     fi;
next:
     skip;
     CLEAN
  od
}
#if NCQE>0
/* as much as fits; while the list is not empty the ring counts as full */
inline place(old) {
  if :: old -> skip :: else -> f = flag fi;
#ifdef M_PUMP_IGN_FLAG
  f = 0;
#endif
  st = FULL;
  if
  :: f -> skip
  :: else -> push(stash);
     if :: st == OK -> stash = 0; d_step { if :: flag -> by++; assert(by <= 1) :: else fi }; trigger() :: else -> skip fi
  fi
}
proctype pump() { DECL byte k;
end:
  do
  :: atomic { pwork > 0 -> pwork-- };
     do
     :: if :: stash == 0 && q > 0 -> d_step { q--; k++; stash = k } :: else -> skip fi;
        if
        :: stash > 0 ->
           place(0);
           if
           :: st == OK -> skip
           :: else ->
              s = P; ok = 1;
              if :: s & MISS -> PCAS(s, s & NOT(MISS)) :: else -> skip fi;                      /* [P2] */
              if
              :: !ok -> skip
              :: else ->
                 e = s & NOT(MISS);
                 d_step { W = W | STALL };                                                      /* [S] */
#ifdef M_PUMP_OLD_FLAG
                 place(1);
#else
                 place(0);                                                                      /* [O4] ring and list again */
#endif
                 if
                 :: st == OK -> skip
                 :: else -> PCAS(e, e & NOT(RUN));                                              /* [P3] */
                    if :: ok -> trigger(); break :: else -> skip fi
                 fi
              fi
           fi
        :: else ->
           s = P;
           if
           :: s & MISS -> PCAS(s, s & NOT(MISS))
           :: else -> PCAS(s, s & NOT(RUN)); if :: ok -> break :: else -> skip fi
           fi
        fi;
        skip;
        CLEAN
     od;
     skip;
     CLEAN
  od
}
#endif
#ifdef TAKER
/* a Dequeue while nobody runs */
proctype taker() { DECL
end:
  d_step { !(W & RUN) && head != tail && comm[head % RCAP] -> v = slot[head % RCAP]; comm[head % RCAP] = 0; head++; deliver(v) }
}
#endif
#ifdef WANT
/* as many as are committed, in turn; the list while nothing of the ring is in flight */
inline count() {
  d_step { e = 0; do :: e < tail - head && comm[(head + e) % RCAP] -> e++ :: else -> break od };
  lock(); d_step { f = (e == tail - head); t = e + aside; if :: f -> t = t + ln :: else fi; e = 0; f = 0 }; unlock()
}
/* [O6] */
inline gather() {
  d_step { f = ((W & STALL) != 0); u = 0 };
#ifdef M_WAIT_NO_GATHER
  f = 0;
#endif
  if
  :: f -> n = 0;
     do
     :: aside >= WANT -> break
     :: else -> take();
        if :: c -> d_step { aside++; if :: u > 0 -> aside++ :: else fi; n = 1 }; deliverAll() :: else -> break fi
     od;
     if
     :: n > 0 ->
#ifndef M_WAIT_NO_START
        d_step { c = ((W & STALL) != 0); W = W & NOT(STALL) };                                  /* [Z9] */
        if :: c -> ptrigger() :: else -> skip fi;
#endif
        n = 1
     :: else -> skip
     fi
  :: else -> n = 0
  fi
}
/* st: 1 enough */
inline lookWait() {
  st = 0;
  do
  :: count();
     if
     :: t >= WANT -> st = 1; break
     :: else -> gather(); if :: n == 0 -> break :: else -> skip fi
     fi
  od
}
proctype waiter() { DECL
end:
  do
  :: lookWait();
     if :: st == 1 -> break :: else -> skip fi;
     d_step { W = (W | WAIT) & NOT(MISS) };                                                     /* [W2] */
     lookWait();
     if :: st == 1 -> d_step { W = W & NOT(WAIT) }; break :: else -> skip fi;
     !(W & WAIT);
     skip;
     CLEAN
  od;
  fin = 1
}
#endif
#ifdef S_CLOSE
/* close: nothing runs; what was accepted comes out, the list behind the ring */
proctype closer() { DECL
  closed = 1;
#ifdef URGENT
  lock(); do :: uln > 0 -> popUrgent(); deliverAll() :: else -> break od; unlock();
#endif
#ifdef M_LIST_FIRST
  lock(); do :: ln > 0 -> popList(); deliverAll() :: else -> break od; unlock();
#endif
  do
  :: look();
     if :: e == 1 -> popRing(); deliverAll() :: e == 0 -> break :: else -> skip fi
  od;
  lock(); do :: ln > 0 -> popList(); deliverAll() :: else -> break od; unlock();
  fin = 1
}
#endif
proctype monitor() {
  timeout;
  d_step {
#ifdef WANT
    assert(fin)
#else
#ifdef S_CLOSE
    assert(fin);
#else
    assert(!(W & RUN) && !(P & RUN) && stash == 0 && q == 0);
#endif
#ifdef URGENT
    assert(uln == 0 && uflag == 0);
#endif
    assert(out == acc + NCQE && ln == 0 && flag == 0 && head == tail)
#endif
  }
}
init { byte i = 1;
  atomic {
    do :: i <= NPROD -> run poster(i); i++ :: else -> break od;
#ifdef S_CLOSE
    run closer();
#elif defined(WANT)
    run waiter();
#else
    run worker();
#endif
#ifdef TAKER
    run taker();
#endif
#if NCQE>0
    P = RUN; pwork = 1; run pump();
#endif
    run monitor();
    i = 0
  }
}
