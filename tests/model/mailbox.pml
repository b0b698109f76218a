/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hand-over of a vCPU's mailbox (apic/pid.h, apic/mailbox.c) between those who post and the CPU that runs the
 * vCPU or has it on its wake list. docs/testing.md, "The model of the mailbox", says what is proven. tests/model/run
 * sets the defines: how much happens (POSTS, ONE_SENDER, KICK, STRAY, CALM), VARIANT_*, other ways that are right as
 * well, and MISTAKE_*, which Spin must find.
 *
 * A step is one locked instruction, or one plain access, of the C code or of the processor. That is enough for x86:
 * whoever writes and then reads what another one writes has a locked instruction in between.
 */
#ifndef POSTS
#define POSTS 2 /* by each sender */
#endif

/* Vectors of the host. Of each, one at most is pending at a CPU: interrupts merge. */
#define POSTED 1
#define WAKEUP 2
#define KICKED 4

/* --- the vCPU under test: descriptor, virtual APIC page, place --- */
byte pir, virr; /* two vectors of the guest, in two words unless ONE_WORD */
bit on, sn, ndst;
byte nv = POSTED;
bit runnable = 1; /* in a run queue */
bit own[2];       /* loaded on that CPU: nobody else may touch the VMCS */
bit listed[2];    /* on that CPU's wake list, */
bit locked[2];    /* which has a lock */
#ifdef KICK
bit kicked; /* a request waits for the vCPU: INIT, end of the VM */
bit last;   /* the CPU where it is, or was */
#else
#define kicked 0
#endif
#ifdef VARIANT_SOFTWARE
bit mailed; /* ASKED_MAIL: a note for the vCPU that there is mail; without it root mode does not look into the mailbox */
#endif

byte irr[2]; /* host interrupts pending at each CPU */

/* --- what onlookers need to know; the protocol does not read it --- */
#define ROOT    0
#define GUEST   1
#define PROCESS 2 /* posted-interrupt processing, between two instructions of the guest */
#define SLEEP   3 /* waits with interrupts on, and keeps the vCPU */
byte mode[2];     /* of a CPU towards this vCPU */
bit waking[2], blocking[2], kicking;
byte owed;      /* vectors posted, and not delivered since */
byte between;   /* senders that have set PIR and not yet seen the control word */
byte flying[2]; /* by sender: the notification that has not yet arrived, */
bit to[2];      /* and where it goes */
byte busy;      /* senders and kickers that are not done */
#ifdef CALM
bit calm; /* from some moment on nobody preempts the vCPU, and it only takes its interrupts and halts */
#else
#define calm 0
#endif

#define FLIES(cpu, vector) ((flying[0] == vector && to[0] == cpu) || (flying[1] == vector && to[1] == cpu))
#define COMES(cpu, vector) (between || (irr[cpu] & vector) || FLIES(cpu, vector))
#define DONE               (busy == 0 && !owed && !kicked)

/* Named, so that pan's message says which property is broken. */
bit left_behind, lost_wakeup, lost_vector, lost_kick, two_places, woken_twice;

/* ------------------------------------------------ post ------------------------------------------------ */

inline post_pir()
{
    pir = pir | vector;
    owed = owed | vector;
    vector = 0
}

/* The locked read-modify-write of the control word. The notification goes where that same word says. */
inline post_control()
{
    if
    :: !on && !sn ->
        on = 1;
        flying[me] = nv;
        to[me] = ndst
#ifdef VARIANT_ON_UNDER_SN
    :: !on && sn -> on = 1
#endif
    :: else
    fi
}

#ifdef VARIANT_SOFTWARE
/* Software leaves a note first, a processor with IPI virtualization does not. */
inline leave_note()
{
    if
    :: mailed = 1
    :: skip
    fi
}

/* What the handlers of all vectors do for the vCPU that runs here. */
inline look_for_mail()
{
#ifdef MISTAKE_NO_LOOK
    skip
#else
    if
    :: atomic { on -> mailed = 1 }
    :: !on
    fi
#endif
}
#endif

inline notify()
{
    irr[to[me]] = irr[to[me]] | flying[me];
    flying[me] = 0;
    to[me] = 0
}

/* Software on any CPU, or a processor with IPI virtualization: the rule is the same. */
proctype sender(bit me; byte left)
{
    byte vector;
#ifdef MISTAKE_POST_OLD_WORD
    byte old_nv;
    bit old_ndst;
#endif

    do
    :: atomic { left -> left--; if :: vector = 1 :: vector = 2 fi;
#ifdef MISTAKE_POST_ON_FIRST
            post_control(); between++ };
        atomic { post_pir(); between-- };
#else
            post_pir(); between++ };
#ifdef MISTAKE_POST_OLD_WORD
        atomic { old_nv = nv; old_ndst = ndst };
#endif
        atomic {
            post_control();
#ifdef MISTAKE_POST_OLD_WORD
            if
            :: flying[me] -> flying[me] = old_nv; to[me] = old_ndst
            :: else
            fi;
            old_nv = 0;
            old_ndst = 0;
#endif
            between--
        };
#endif
        if
#ifdef VARIANT_SOFTWARE
        :: flying[me] -> leave_note(); atomic { notify() }
#else
        :: atomic { flying[me] -> notify() }
#endif
        :: !flying[me]
        fi
    :: atomic { !left -> busy-- } -> break
    od
}

/* ------------------------------------------------ collect ------------------------------------------------ */

inline take_word(words)
{
#ifdef MISTAKE_COLLECT_PLAIN
    copy = pir & words;
    if
    :: atomic { copy -> virr = virr | copy; pir = pir & ~words; copy = 0 }
    :: !copy
    fi
#else
    atomic { virr = virr | (pir & words); pir = pir & ~words }
#endif
}

inline take_pir()
{
#ifdef ONE_WORD
    take_word(3)
#else
    take_word(1);
    take_word(2)
#endif
}

/* By the processor in guest mode, by software in root mode. */
inline collect()
{
#ifdef MISTAKE_COLLECT_PIR_FIRST
    take_pir();
    on = 0
#else
    on = 0;
    take_pir()
#endif
}

inline collect_if_on()
{
    if
    :: on -> collect()
    :: else
    fi
}

/* A look without a lock at ON and each word, and the exchange only where it is needed. */
inline collect_if_any()
{
    any = on;
    any = any | (pir & 1);
    any = any | (pir >> 1);
    if
    :: atomic { any -> any = 0 } -> collect()
    :: !any
    fi
}

/* ------------------------------------------------ hand-over ------------------------------------------------ */

/* The owner's change of the control word; ON is kept. */
inline direct(new_sn, new_nv, new_ndst)
{
#ifdef PLAIN_STORE
    old_on = on;
    atomic { on = old_on; sn = new_sn; nv = new_nv; ndst = new_ndst; old_on = 0 }
#else
    atomic { sn = new_sn; nv = new_nv; ndst = new_ndst }
#endif
}

inline schedule_in()
{
#ifdef MISTAKE_RESCAN_FIRST
    collect();
#endif
#if defined(MISTAKE_NDST_STAYS)
    direct(0, POSTED, ndst);
#elif defined(MISTAKE_SN_STAYS)
    direct(sn, POSTED, me);
#else
    direct(0, POSTED, me);
#endif
#ifdef VARIANT_ON_LOST
    on = 0;
#endif
#if defined(MISTAKE_RESCAN_IF_ON)
    collect_if_on()
#elif !defined(MISTAKE_NO_RESCAN) && !defined(MISTAKE_RESCAN_FIRST)
    collect_if_any()
#endif
}

inline schedule_out()
{
#ifdef MISTAKE_QUEUE_FIRST
    runnable = 1;
    direct(1, nv, ndst);
    own[me] = 0
#else
#ifndef VARIANT_NO_SN
    direct(1, nv, ndst);
#endif
    own[me] = 0; /* VMCLEAR */
    runnable = 1
#endif
}

/* Leaves by `goto away`, or by `goto scheduled` or `goto enter` when there is mail. */
inline block()
{
#if defined(VARIANT_DEDICATED)
    /* No wake list: the CPU waits with the vCPU. An interrupt that is pending ends the wait at once. */
    direct(0, WAKEUP, me);
    if
    :: on -> goto mail
    :: else
    fi;
    atomic { mode[me] = SLEEP; blocking[me] = 0 };
    if
    :: atomic { irr[me] -> irr[me] = 0; mode[me] = ROOT }
#ifdef CALM
    :: atomic { calm && DONE -> mode[me] = ROOT } -> goto off
#endif
    fi;
mail:
    blocking[me] = 0;
    direct(0, POSTED, me);
    collect_if_on();
    goto enter
#elif defined(VARIANT_WORD_FIRST) || defined(MISTAKE_LIST_FIRST)
    /* The lock for the list only. */
    own[me] = 0;
#ifdef VARIANT_WORD_FIRST
    direct(0, WAKEUP, me);
    atomic { !locked[me] -> listed[me] = 1 };
#else
    atomic { !locked[me] -> listed[me] = 1 };
    direct(0, WAKEUP, me);
#endif
    if
    :: on -> goto mail
    :: else
    fi;
    if
    :: pir || kicked -> goto mail
    :: else
    fi;
    blocking[me] = 0;
    goto away;
mail:
    atomic {
        !locked[me] -> blocking[me] = 0;
        if
        :: listed[me] -> listed[me] = 0; own[me] = 1; goto scheduled
        :: else -> goto away /* somebody else was faster */
        fi
    }
#else
    atomic { !locked[me] -> locked[me] = 1; listed[me] = 1 };
#ifdef MISTAKE_CHECK_FIRST
    if
    :: on || pir || kicked -> goto mail
    :: else
    fi;
#endif
#ifdef MISTAKE_NV_STAYS
    direct(0, POSTED, me);
#else
    direct(0, WAKEUP, me);
#endif
#if !defined(MISTAKE_CHECK_FIRST) && !defined(MISTAKE_NO_CHECK)
#ifndef MISTAKE_CHECK_PIR_ONLY
    if
    :: on -> goto mail
    :: else
    fi;
#endif
#if !defined(VARIANT_ON_SUFFICES) && !defined(MISTAKE_PLAIN_CHECK_ON)
    if
    :: pir -> goto mail
    :: else
    fi;
#endif
#ifndef MISTAKE_KICK_UNSEEN
    if
    :: kicked -> goto mail
    :: else
    fi;
#endif
#endif
#ifdef MISTAKE_CLEAR_LATE
    locked[me] = 0;
    atomic { own[me] = 0; blocking[me] = 0 };
#else
    own[me] = 0; /* VMCLEAR: from the unlock on the vCPU may be anywhere */
    atomic { locked[me] = 0; blocking[me] = 0 };
#endif
    goto away;
#ifndef MISTAKE_NO_CHECK
mail:
    atomic { listed[me] = 0; locked[me] = 0; blocking[me] = 0 };
#if defined(MISTAKE_GO_ON_BLIND)
    direct(0, POSTED, me);
    goto enter
#elif defined(VARIANT_ON_SUFFICES)
    direct(0, POSTED, me);
    collect_if_on();
    goto enter
#else
    goto scheduled
#endif
#endif
#endif
}

/* Who takes the vCPU off a list is the only one to have it. */
inline make_runnable()
{
    woken_twice = runnable || own[0] || own[1];
    assert(!woken_twice);
    runnable = 1
}

/* The handler of WAKEUP. What is done under the lock is one step: nobody else looks at the list meanwhile. */
inline wake()
{
    if
#ifdef MISTAKE_WAKE_UNLOCKED
    :: listed[me] && on -> listed[me] = 0; atomic { make_runnable(); waking[me] = 0 }
    :: atomic { !(listed[me] && on) -> waking[me] = 0 }
#else
    :: atomic { !locked[me] && listed[me] && on -> listed[me] = 0 } -> atomic { make_runnable(); waking[me] = 0 }
    :: atomic { !locked[me] && !(listed[me] && on) -> waking[me] = 0 }
#endif
    fi
}

#ifdef KICK
/* INIT, an end of the VM: first a note, then a look at where the vCPU is. */
proctype kicker()
{
    bit cpu;

    if
    ::
#ifdef MISTAKE_KICK_LOOK_FIRST
        atomic { cpu = last; kicking = 1 };
        kicked = 1;
#else
        atomic { kicked = 1; kicking = 1 };
        cpu = last;
#endif
        if
        :: atomic { !locked[cpu] && listed[cpu] -> listed[cpu] = 0 } -> atomic { make_runnable() }
        :: atomic { !locked[cpu] && !listed[cpu] -> irr[cpu] = irr[cpu] | KICKED }
        fi;
        atomic { cpu = 0; kicking = 0; busy-- }
    :: busy--
    fi
}
#endif

#ifdef STRAY
/* Notifications and wake-ups that mean other vCPUs. */
proctype stray()
{
end:
    do
    :: !calm -> irr[0] = irr[0] | POSTED
    :: !calm -> irr[1] = irr[1] | POSTED
    :: !calm -> irr[0] = irr[0] | WAKEUP
    :: !calm -> irr[1] = irr[1] | WAKEUP
    od
}
#endif

#define PENDING(vector)     (irr[me] & vector)
#define ACKNOWLEDGE(vector) irr[me] = irr[me] & ~vector

proctype cpu(bit me)
{
#ifdef MISTAKE_COLLECT_PLAIN
    byte copy;
#endif
#ifdef PLAIN_STORE
    bit old_on;
#endif
    bit any;

/* Another vCPU runs here, or nobody: POSTED empties another mailbox, or none, whomever it was meant for. */
away:
#ifndef CALM
end_away:
#endif
    do
    :: atomic { runnable -> runnable = 0; own[me] = 1; goto scheduled }
    :: atomic { PENDING(POSTED) -> ACKNOWLEDGE(POSTED) }
    :: atomic { PENDING(WAKEUP) -> ACKNOWLEDGE(WAKEUP); waking[me] = 1 } -> wake()
#ifdef KICK
    :: atomic { PENDING(KICKED) -> ACKNOWLEDGE(KICKED) }
#endif
#ifdef CALM
    :: calm && DONE -> goto off
#endif
    od;

/* Root mode with interrupts off. */
scheduled:
#if defined(KICK) && !defined(MISTAKE_PLACE_LATE)
    last = me;
#endif
    schedule_in();
    if
#ifdef KICK
    :: kicked -> skip
#ifdef MISTAKE_GO_ON_KICKED
    :: goto as_it_was
#else
    :: !kicked -> goto as_it_was
#endif
#else
    :: goto as_it_was
#endif
    :: skip
    fi;
woken:
#ifdef VARIANT_SOFTWARE
    look_for_mail();
#endif
enter:
#ifdef VARIANT_SOFTWARE
    if
    :: atomic { mailed -> mailed = 0 } -> collect_if_on()
    :: !mailed
    fi;
#else
    if
    :: collect()
    :: skip
    fi;
#endif
#ifdef KICK
    kicked = 0;
#endif
#if defined(KICK) && defined(MISTAKE_PLACE_LATE)
    last = me;
#endif
as_it_was: /* nobody wants anything of it: what was right when it lost its CPU is right now */
    mode[me] = GUEST;

    do
#ifdef VARIANT_SOFTWARE /* no posted-interrupt processing: POSTED exits */
    :: atomic { PENDING(POSTED) -> ACKNOWLEDGE(POSTED); mode[me] = ROOT } -> goto woken
#else
    :: atomic { PENDING(POSTED) -> ACKNOWLEDGE(POSTED); mode[me] = PROCESS } -> collect(); mode[me] = GUEST
#endif
    :: atomic { PENDING(WAKEUP) -> ACKNOWLEDGE(WAKEUP); mode[me] = ROOT; waking[me] = 1 } -> wake(); goto woken
#ifdef KICK
    :: atomic { PENDING(KICKED) -> ACKNOWLEDGE(KICKED); mode[me] = ROOT } -> goto enter
#endif
    :: atomic { virr -> owed = owed & pir; virr = 0 }    /* delivered */
    :: atomic { !calm -> mode[me] = ROOT } -> goto enter /* some exit */
    :: atomic { !calm -> mode[me] = ROOT } -> schedule_out(); goto away
    :: atomic { !virr -> mode[me] = ROOT; blocking[me] = 1 } -> break /* HLT */
    od;
    block();
off:
    skip
}

/* ------------------------------------------------ what must hold ------------------------------------------------ */

/* The guest runs, and of its mail nobody will tell. */
#define LEFT_BEHIND(cpu) (mode[cpu] == GUEST && pir && !COMES(cpu, POSTED))

/* It waits, there is mail, and nobody will wake it. */
#define LOST_WAKEUP(cpu)                                                                                               \
    ((on || pir) && ((listed[cpu] && !blocking[cpu] && !waking[cpu] && !COMES(cpu, WAKEUP)) ||                         \
                     (mode[cpu] == SLEEP && !irr[cpu] && !COMES(cpu, WAKEUP) && !COMES(cpu, POSTED))))

/* The kicker is done, and nobody will look at its note. */
#define LOST_KICK(cpu)                                                                                                 \
    (kicked && !kicking &&                                                                                             \
     ((mode[cpu] == GUEST && !(irr[cpu] & KICKED)) || (listed[cpu] && !blocking[cpu]) ||                               \
      (mode[cpu] == SLEEP && !irr[cpu])))

#define TWO_PLACES                                                                                                     \
    (own[0] + own[1] + runnable > 1 || listed[0] + listed[1] + runnable > 1 ||                                         \
     ((listed[0] || listed[1]) && ((own[0] && !blocking[0]) || (own[1] && !blocking[1]))))

active proctype monitor()
{
end:
#ifdef UNWATCHED
    false
#else
    do
    :: atomic { LEFT_BEHIND(0) || LEFT_BEHIND(1) -> left_behind = 1; assert(!left_behind) }
    :: atomic { LOST_WAKEUP(0) || LOST_WAKEUP(1) -> lost_wakeup = 1; assert(!lost_wakeup) }
    :: atomic { LOST_KICK(0) || LOST_KICK(1) -> lost_kick = 1; assert(!lost_kick) }
    :: atomic { owed & ~(pir | virr) -> lost_vector = 1; assert(!lost_vector) }
    :: atomic { TWO_PLACES -> two_places = 1; assert(!two_places) }
    od
#endif
}

init
{
    atomic {
#ifdef KICK
        busy++;
        run kicker();
#endif
#ifdef STRAY
        run stray();
#endif
#ifndef ONE_SENDER
        busy++;
        run sender(1, POSTS);
#endif
        busy++;
        run sender(0, POSTS);
        run cpu(0);
        run cpu(1)
    }
#ifdef CALM
    calm = 1
#endif
}

#ifdef LTL
/* Whatever was before: once it is calm, all mail is delivered. No fairness is assumed beyond what `calm` says. */
ltl delivered { [] (calm -> <> DONE) }
#endif
