/* A consumer notification object: one or two EVDs whose one run slot a CNO has,
 * their posters and CQs, two CNOs, waiters who take one event at a time, the end of
 * a context, and somebody who moves an EVD or closes it. Labels as in README.md.
 *
 * What stands under a CNO's mutex is one step: of what it reads and writes only the
 * pointer to the CNO is touched without the mutex too, once in each. Upcalls, the
 * QUIET rule and failed arms are in evd.pml. Which of the listed EVDs is handed out
 * is left open, which is more than the code does.
 */
#ifndef NE
#define NE 1           /* EVDs */
#endif
#ifndef NW
#define NW 1           /* waiters, of CNO 1; with TO2 the last one of CNO 2 */
#endif
#ifndef ROUNDS
#define ROUNDS 2       /* Waits of each */
#endif
#ifndef NPOST
#define NPOST 1        /* posts to each EVD */
#endif
#ifndef NCQE
#define NCQE 0         /* completions of each EVD's CQ */
#endif
#ifndef NDEQ
#define NDEQ 0         /* Dequeues from elsewhere, of EVD 0 */
#endif
#ifndef TO2
#define TO2 0
#endif

#define F_RUN   1
#define F_LIM   2
#define F_MISS  4
#define F_ARM   8
#define F_TAKE  16
#define F_CLOSE 32
#define F_QUED  64
#define NOT(f)  (127 - (f))
#define OVER(s) (((s) & F_RUN) && !((s) & F_LIM))
#define FREE(s) (!((s) & F_RUN) && ((s) & F_LIM))
#define CAS(e,o,nw) d_step { if :: W[e]==(o) -> W[e]=(nw); ok=1 :: else -> ok=0 fi }
#define POST 0
#define INTR 1

byte W[NE]; byte ring[NE], q[NE]; bit hwarm[NE]; byte intr[NE];
byte cno[NE];                       /* the CNO it is on: 1, 2; 0 none */
byte inl[NE];                       /* the list it is in */
byte own[NE];                       /* who has it, plus 1 */
byte has[NW];                       /* what he has, plus 1 */
bit asleep[NW], cause[NW], inwait[NW]; byte tok[NW];
chan sl[3] = [4] of { byte };      /* who sleeps, by age */
byte acc, dlv, rest, given;
bit closed0;                        /* Close of EVD 0 has returned */

#define DECL byte s, n, c, w; bit ok, b, have, att;

/* [K2] b: the slot is the CNO's */
inline enlist(e) {
  do
  :: c = cno[e];
     if
     :: c == 0 -> b = 0; break
     :: else -> skip
     fi;
     d_step {
       w = 255; ok = 1;
       if
#ifndef M_ENLIST_NOLOOK
       :: cno[e] != c -> ok = 0
#endif
       :: else ->
          assert(inl[e] == 0 && own[e] == 0);
          if
          :: len(sl[c]) > 0 ->
#ifdef M_NOPOP
             sl[c]?<w>;
#else
             sl[c]?w;
#endif
             assert(asleep[w] && has[w] == 0);
#ifndef M_NOPOP
             asleep[w] = 0;
#endif
             own[e] = w + 1; has[w] = e + 1; given++;
#ifdef M_TWO
             inl[e] = c
#endif
          :: len(sl[c]) == 0 -> inl[e] = c
          fi
       fi
     };
     if
     :: ok ->
#ifndef M_NOTOKEN
        if :: w != 255 -> d_step { assert(tok[w] == 0); tok[w]++ } :: else -> skip fi;      /* [K6] */
#endif
        b = 1; break
     :: else -> skip
     fi
  od;
  w = 255; c = 0
}
/* [R] of a slot that is a CNO's: [R1], [R2], [R3], the look, [R4] and enlist, or [R5], [R6] */
inline attend(e) {
  assert(W[e] & F_RUN);
  have = 0;
  do
  :: s = W[e];
     if
     :: OVER(s) ->
        d_step { n = (s & NOT(F_RUN)) | F_MISS; if :: have -> n = n & NOT(F_TAKE) :: else fi };
        atomic { CAS(e,s,n); if :: ok -> break :: else -> skip fi }
     :: !OVER(s) && !have && (s & F_TAKE) ->
        atomic { CAS(e,s,(s & NOT(F_RUN)) | F_MISS); if :: ok -> break :: else -> skip fi }
     :: else ->
        ok = 1;
        if :: !have -> CAS(e,s,s | F_TAKE); have = ok :: else -> skip fi;
        if
        :: !ok -> skip
        :: else ->
           b = (ring[e] > 0);
           if :: !b -> b = (q[e] > 0) :: else -> skip fi;
           if
           :: b ->
              d_step { W[e] = W[e] & NOT(F_TAKE); have = 0 };
              enlist(e);
              if :: b -> break :: else -> skip fi
           :: else ->
              s = W[e];
              if
              :: OVER(s) -> skip
              :: !OVER(s) && ((s & F_MISS) || !(s & F_ARM)) ->
                 CAS(e,s,(s & NOT(F_MISS)) | F_ARM);
                 if
                 :: ok && !(s & F_ARM) ->
                    d_step { assert(!hwarm[e] && intr[e] == 0); hwarm[e] = 1 };
#ifdef M_NOLOOK
                    d_step { W[e] = W[e] & NOT(F_RUN) & NOT(F_TAKE) }; break
#endif
                 :: else -> skip
                 fi
              :: else -> atomic { CAS(e,s,s & NOT(F_RUN) & NOT(F_TAKE)); if :: ok -> break :: else -> skip fi }
              fi
           fi
        fi
     fi
  od;
  skip;
  d_step { s = 0; n = 0; have = 0; b = 0; ok = 0 }
}
/* [T], and [K1]: here and now. Workers may be blocked for ever: there are none. */
inline trigger(e, src) {
  do
  :: d_step { s = W[e]; n = s; att = 0;
       if :: src==INTR -> n = n & NOT(F_ARM) :: else fi;
#ifdef M_QUEUE
       if :: FREE(s) -> n = n | F_QUED :: else -> n = n | F_MISS fi };
#else
       if :: FREE(s) -> n = n | F_RUN; att = 1 :: else -> n = n | F_MISS fi };
#endif
     if :: n == s -> att = 0; break :: else -> atomic { CAS(e,s,n); if :: ok -> break :: else -> skip fi } fi
  od;
  if :: att -> attend(e) :: else -> skip fi
}
/* takes one, if it may; [R4] outside */
inline dequeue(e) {
  s = W[e];
  if
  :: s & (F_TAKE | F_CLOSE) -> skip
  :: else ->
     CAS(e,s,s | F_TAKE);
     if
     :: ok ->
        d_step { if :: ring[e] > 0 -> ring[e]--; dlv++ :: else -> if :: q[e] > 0 -> q[e]--; dlv++ :: else fi fi };
        do
        :: d_step { s = W[e]; n = s & NOT(F_TAKE); att = (FREE(s) && (s & F_MISS)); if :: att -> n = n | F_RUN :: else fi };
           atomic { CAS(e,s,n); if :: ok -> break :: else -> skip fi }
        od;
        if :: att -> attend(e) :: else -> skip fi
     :: else -> skip
     fi
  fi
}
proctype poster(byte e) { DECL byte k;
  do :: k < NPOST -> k++; d_step { ring[e]++; acc++ }; trigger(e, POST) :: else -> break od
}
#if NCQE>0
proctype hw(byte e) { byte k;
  do
  :: k < NCQE -> d_step { k++; q[e]++; acc++; if :: hwarm[e] -> hwarm[e] = 0; intr[e]++ :: else fi }
  :: else -> break
  od
}
proctype poller(byte e) { DECL
end:
  do
  :: atomic { intr[e] > 0 -> intr[e]-- }; trigger(e, INTR)
  od
}
#endif
#if NDEQ>0
proctype other() { DECL byte k;
  do :: k < NDEQ -> k++; dequeue(0) :: else -> break od
}
#endif
/* [K7] */
inline giveBack() {
  d_step { e = has[id]; if :: e > 0 -> assert(own[e-1] == id + 1); own[e-1] = 0; has[id] = 0; e = e - 1 :: else -> e = 255 fi };
  if
  :: e != 255 ->
#ifdef M_BELIEVE
     s = ring[e] + q[e];
     if
     :: s == 0 -> do :: s = W[e]; CAS(e,s,s & NOT(F_RUN)); if :: ok -> break :: else -> skip fi od
     :: else -> attend(e)
     fi
#else
     attend(e)
#endif
  :: else -> skip
  fi
}
/* A waiter: Wait, one event, and Wait again; then Done, unless he keeps what he has. */
proctype waiter(byte id; byte my) { DECL byte e, k;
  do
  :: true ->
#ifdef KEEP
     if :: k == ROUNDS -> break :: else -> skip fi;
#endif
     giveBack();
     if :: k == ROUNDS -> break :: else -> k++ fi;
     inwait[id] = 1;
     do
     :: d_step {
          e = 255; b = 0;
          if
          :: has[id] > 0 -> e = has[id] - 1
          :: else ->
             if
             :: inl[0] == my -> e = 0
#if NE>1
             :: inl[1] == my -> e = 1
#endif
             :: else ->
                if
                :: cause[id] -> b = 1
                :: else -> asleep[id] = 1; sl[my]!id
                fi
             fi;
             if
             :: e != 255 -> assert(own[e] == 0); inl[e] = 0; own[e] = id + 1; has[id] = e + 1; given++
             :: else
             fi
          fi
        };
        if
        :: e != 255 || b -> break
        :: else ->
end:       atomic { tok[id] > 0 -> tok[id]-- }
        fi
     od;
     inwait[id] = 0;
     if
     :: e != 255 -> dequeue(e)
     :: else -> assert(has[id] == 0); break
     fi
  od
}
/* [K8] */
#ifdef S_CANCEL
proctype cancel() {
  d_step {
    cause[0] = 1;
#ifdef M_CANCEL_DROP
    if :: inwait[0] && has[0] > 0 -> own[has[0]-1] = 0; has[0] = 0; W[0] = W[0] & NOT(F_RUN) :: else fi;
#endif
    if
    :: asleep[0] ->
#ifndef M_CANCEL_STAY
       sl[1]??0;
#endif
       asleep[0] = 0; assert(tok[0] == 0); tok[0]++
    :: else
    fi
  }
}
#endif
/* [K3] b: the caller has the slot */
inline drop(e, from, to) {
#ifdef M_PTR_FIRST
  cno[e] = to;
#endif
  d_step {
    cno[e] = to;
    assert(inl[e] == 0 || inl[e] == from);
    if
#ifndef M_DROP_NOLIST
    :: inl[e] > 0 -> inl[e] = 0; b = 1
#endif
#ifndef M_DROP_NOOWNER
    :: own[e] > 0 -> has[own[e]-1] = 0; own[e] = 0; b = 1
#endif
    :: else -> b = 0
    fi
  };
  if :: b -> attend(e) :: else -> skip fi
}
/* [K4] of EVD 0 */
inline attach(to) {
#ifndef M_ATTACH_LATE
  cno[0] = to;
#endif
  do
  :: s = W[0];
     if
     :: s & F_CLOSE -> cno[0] = 0; break
     :: else -> CAS(0,s,s | F_LIM); if :: ok -> break :: else -> skip fi
     fi
  od;
#ifdef M_ATTACH_LATE
  if :: !(s & F_CLOSE) -> cno[0] = to :: else -> skip fi;
#endif
  if :: !(s & F_CLOSE) -> trigger(0, POST) :: else -> skip fi
}
bit admin;                          /* its mutex */
inline lock() { atomic { admin == 0 -> admin = 1 } }
/* off the CNO; when it has returned the slot is nobody's */
inline detach() {
  do :: s = W[0]; CAS(0,s,s & NOT(F_LIM)); if :: ok -> break :: else -> skip fi od;
  drop(0, 1, 0);
  !(W[0] & F_RUN);
  assert(inl[0] == 0 && own[0] == 0)
}
#if defined(S_FLIP) || defined(S_MOVE) || defined(S_ATTACH)
proctype mover() { DECL
  lock();
#ifdef S_FLIP
  detach();
  attach(1);
#endif
#ifdef S_MOVE
  drop(0, 1, 2);
#endif
#ifdef S_ATTACH
  attach(1);
#endif
  admin = 0
}
#endif
/* [C], and [K5]; then until nobody has slot or TAKE */
#ifdef S_CLOSE
proctype closer() { DECL
  do :: s = W[0]; CAS(0,s,(s & NOT(F_LIM)) | F_CLOSE); if :: ok -> break :: else -> skip fi od;
#ifndef M_CLOSE_NOLOOK
  c = cno[0];
  if
  :: c != 0 ->
     lock();
     if :: cno[0] != 0 -> drop(0, 1, 0) :: else -> skip fi;
     admin = 0
  :: else -> skip
  fi;
#endif
end:
  !(W[0] & (F_RUN | F_TAKE));
  d_step { rest = ring[0] + q[0]; ring[0] = 0; q[0] = 0; acc = acc - rest; closed0 = 1 }
}
#endif
#define AT_REST(e) \
    assert(!(W[e] & F_TAKE)); \
    assert(((W[e] & F_RUN) != 0) == (inl[e] > 0 || own[e] > 0));         /* the slot has a holder */ \
    assert(!OVER(W[e])); \
    assert((W[e] & (F_RUN | F_CLOSE)) || !(W[e] & F_LIM) || ring[e] + q[e] == 0);  /* nothing is forgotten */ \
    assert((W[e] & (F_RUN | F_CLOSE)) || !(W[e] & F_LIM) || ((W[e] & F_ARM) && !(W[e] & F_MISS) && hwarm[e])); \
    assert(inl[e] == 0 || len(sl[inl[e]]) == 0);                             /* nobody sleeps over it */ \
    assert(inl[e] == 0 || inl[e] == cno[e]); \
    assert(!(W[e] & F_CLOSE) || cno[e] == 0)
#define NO_TOKEN(w) assert(tok[w] == 0 && (!inwait[w] || asleep[w]))
proctype monitor() {
  timeout;
  d_step {
    AT_REST(0);
    NO_TOKEN(0);
#if NE>1
    AT_REST(1);
#endif
#if NW>1
    NO_TOKEN(1);
#endif
#if NW>2
    NO_TOKEN(2);
#endif
    assert(acc == dlv + ring[0] + q[0]
#if NE>1
      + ring[1] + q[1]
#endif
    );
#ifdef RELEASED
    assert(given == RELEASED);                                          /* so many, and no more */
#endif
#ifdef S_CLOSE
    assert(closed0)
#endif
  }
}
init {
  atomic {
    W[0] = F_LIM | F_ARM; hwarm[0] = 1; cno[0] = 1;
#ifdef S_ATTACH
    W[0] = F_ARM; cno[0] = 0;
#endif
#if NE>1
    W[1] = F_LIM | F_ARM; hwarm[1] = 1; cno[1] = 1;
    run poster(1);
#if NCQE>0
    run hw(1); run poller(1);
#endif
#endif
    run poster(0);
#if NCQE>0
    run hw(0); run poller(0);
#endif
#if NDEQ>0
    run other();
#endif
    run waiter(0, (TO2 && NW==1 -> 2 : 1));
#if NW>1
    run waiter(1, (TO2 && NW==2 -> 2 : 1));
#endif
#if NW>2
    run waiter(2, (TO2 -> 2 : 1));
#endif
#ifdef S_CANCEL
    run cancel();
#endif
#if defined(S_FLIP) || defined(S_MOVE) || defined(S_ATTACH)
    run mover();
#endif
#ifdef S_CLOSE
    run closer();
#endif
    run monitor()
  }
}
