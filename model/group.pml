/* A Poller: members are told of, by whoever has something for them, and one goroutine
 * looks after those that were. Labels as in README.md. What there is to see of a member
 * is a count, and of the list only who is on it.
 */
#ifndef N
#define N 2
#endif
byte made[2], seen[2];              /* occurrences; those that the goroutine knows of */
bit noted[2], asleep, tok;
byte ready;                         /* a set */

inline note(i) {
  if
  :: noted[i] -> skip
  :: else ->
     atomic { won = !noted[i]; noted[i] = 1 };                        /* [G1] after made */
     if
     :: won ->
#ifdef M_WAKE_FIRST
        if :: ready == 0 && asleep -> atomic { if :: asleep -> asleep = 0; tok = 1 :: else -> skip fi } :: else -> skip fi;
        ready = ready | (1 << i)
#else
        atomic { first = (ready == 0); ready = ready | (1 << i) };
        if
        :: first && asleep -> atomic { if :: asleep -> asleep = 0; tok = 1 :: else -> skip fi } /* [G2] */
        :: else -> skip
        fi
#endif
     :: else -> skip
     fi
  fi
}
proctype teller(byte i) { byte k; bit won, first;
  do
  :: k < N ->
#ifdef M_NOTE_FIRST
     note(i); made[i]++;
#else
     made[i]++; note(i);
#endif
     k++
  :: else -> break
  od
}
proctype goroutine() { byte todo, i;
  do
  :: todo != 0 ->
     if :: todo & 1 -> i = 0 :: else -> i = 1 fi;
     todo = todo & ~(1 << i);
#ifdef M_CLEAR_LATE
     seen[i] = made[i]; noted[i] = 0
#else
     noted[i] = 0;                                                    /* [G4] before the look */
     seen[i] = made[i]
#endif
  :: todo == 0 && ready != 0 -> atomic { todo = ready; ready = 0 }
  :: todo == 0 && ready == 0 ->
#ifndef M_LOOK_FIRST
     asleep = 1;                                                      /* [G3] before the look */
     if :: ready != 0 -> asleep = 0; goto again :: else -> skip fi;
#else
     asleep = 1;
#endif
     tok -> tok = 0; asleep = 0;
again: skip
  od
}
/* When nothing moves any more all has been seen. */
proctype rest() {
  timeout -> assert(seen[0] == made[0] && seen[1] == made[1] && ready == 0 && !noted[0] && !noted[1])
}
init { atomic { run teller(0); run teller(1); run goroutine(); run rest() } }
