/* The port of a shared CQ: one producer, one consumer, segments that follow each
 * other when there are more completions than places. Labels as in README.md.
 * Slots of segment 0 and 1 hold the number of a completion; positions count from 0.
 */
#ifndef N
#define N 4
#endif
byte in, out, seg0[1], seg1[4];
bit next; byte from;                /* the second segment, and its first position */
bit tail, head;

proctype producer() { byte pos, o;
  do
  :: pos < N ->
     if
     :: tail == 0 ->
        o = out;                                                      /* acquire: pairs with [H4] */
        if
        :: pos - o >= 1 ->
#ifdef M_NEXT_LATE
           seg1[pos % 4] = pos + 1; in = pos + 1; tail = 1;
           atomic { from = pos; next = 1 }
           pos++; goto again
#else
           atomic { from = pos; next = 1 }; tail = 1                  /* [H5] before in goes past it */
#endif
        :: else -> skip
        fi
     :: else -> skip
     fi;
#ifdef M_COMMIT_FIRST
     in = pos + 1;
#endif
     if :: tail == 0 -> seg0[0] = pos + 1 :: else -> seg1[pos % 4] = pos + 1 fi;
#ifndef M_COMMIT_FIRST
     in = pos + 1;                                                    /* [H1] */
#endif
     pos++;
again: skip
  :: else -> break
  od
}
proctype consumer() { byte i, v, o;
  do
  :: o < N ->
     i = in;
     if
     :: i == o -> in > o
     :: else ->
        if
        :: head == 0 && next && from == o -> head = 1
        :: head == 0 && next && from != o -> skip
        :: else -> skip
        fi;
#ifdef M_OUT_FIRST
        out = o + 1;
#endif
        if :: head == 0 -> v = seg0[0] :: else -> v = seg1[o % 4] fi;
        assert(v == o + 1);
        o++;
        out = o                                                       /* [H4] after it has been read */
     fi
  :: else -> break
  od
}
init { atomic { run producer(); run consumer() } }
