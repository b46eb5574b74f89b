/**
 * The system calls of Docker's default seccomp profile, by subject. Everything that is not listed fails with EPERM.
 * A name that an architecture or the installed libseccomp does not know is skipped by the runtime.
 */
const bySubject = {
  processes: `
    alarm brk capget capset execve execveat exit exit_group fork vfork getpid getppid gettid getpgid
    getpgrp getsid setpgid setsid getpriority setpriority getrlimit setrlimit ugetrlimit prlimit64 getrusage times
    kill tkill tgkill pidfd_open pidfd_send_signal wait4 waitid waitpid prctl restart_syscall
    set_tid_address set_robust_list get_robust_list set_thread_area get_thread_area rseq seccomp sysinfo uname umask
    getcpu membarrier process_mrelease uretprobe riscv_hwprobe`,
  identity: `
    getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getgroups getgroups32 getresuid getresuid32
    getresgid getresgid32 setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid
    setresuid32 setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32`,
  signals: `
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
    rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack signalfd signalfd4 sigprocmask sigreturn pause`,
  scheduling: `
    sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler
    sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam
    sched_setscheduler sched_yield ioprio_get ioprio_set`,
  memory: `
    mmap mmap2 munmap mremap mprotect msync madvise mincore mlock mlock2 mlockall munlock munlockall memfd_create
    memfd_secret remap_file_pages pkey_alloc pkey_free pkey_mprotect map_shadow_stack mseal cachestat readahead`,
  synchronisation: `futex futex_time64 futex_waitv futex_wait futex_wake futex_requeue`,
  time: `
    time gettimeofday adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime
    clock_gettime64 clock_nanosleep clock_nanosleep_time64 nanosleep getitimer setitimer timer_create timer_delete
    timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
    timerfd_gettime64 timerfd_settime timerfd_settime64`,
  descriptors: `
    close close_range dup dup2 dup3 fcntl fcntl64 flock ioctl pipe pipe2 poll ppoll ppoll_time64 select _newselect
    pselect6 pselect6_time64 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
    epoll_wait_old eventfd eventfd2 inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark`,
  input_and_output: `
    read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 lseek _llseek sendfile sendfile64 splice
    tee vmsplice copy_file_range fadvise64 fadvise64_64 fallocate ftruncate ftruncate64 truncate truncate64 fsync
    fdatasync sync syncfs sync_file_range io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents
    io_pgetevents_time64`,
  files: `
    open openat openat2 creat access faccessat faccessat2 stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat
    statx statfs statfs64 fstatfs fstatfs64 statmount listmount chdir fchdir getcwd chmod fchmod fchmodat fchmodat2
    chown chown32 fchown fchown32 fchownat lchown lchown32 link linkat symlink symlinkat readlink readlinkat rename
    renameat renameat2 unlink unlinkat mkdir mkdirat rmdir mknod mknodat getdents getdents64 utime utimes utimensat
    utimensat_time64 futimesat name_to_handle_at
    getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat listxattr llistxattr flistxattr
    listxattrat removexattr lremovexattr fremovexattr removexattrat
    landlock_create_ruleset landlock_add_rule landlock_restrict_self`,
  sockets: `
    accept accept4 bind connect getpeername getsockname getsockopt setsockopt listen recv recvfrom recvmmsg
    recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto shutdown socketcall socketpair`,
  system_v_and_posix_ipc: `
    ipc msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget
    mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink`,
  randomness: `getrandom`,
};

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");

/** Allowed for every process, whatever its arguments. */
export const alwaysAllowed: readonly string[] = Object.values(bySubject).flatMap(words);

/** Allowed beside those when the process holds the capability. */
export const allowedByCapability: Readonly<Record<string, readonly string[]>> = {
  CAP_DAC_READ_SEARCH: ["open_by_handle_at"],
  CAP_SYS_ADMIN: words(`
    bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules
    lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname
    sethostname setns syslog umount umount2 unshare`),
  CAP_SYS_BOOT: ["reboot"],
  CAP_SYS_CHROOT: ["chroot"],
  CAP_SYS_MODULE: ["delete_module", "init_module", "finit_module"],
  CAP_SYS_PACCT: ["acct"],
  CAP_SYS_PTRACE: ["kcmp", "pidfd_getfd", "process_madvise"],
  CAP_SYS_RAWIO: ["iopl", "ioperm"],
  CAP_SYS_TIME: ["settimeofday", "stime", "clock_settime", "clock_settime64"],
  CAP_SYS_TTY_CONFIG: ["vhangup"],
  CAP_SYS_NICE: ["get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"],
  CAP_SYSLOG: ["syslog"],
  CAP_BPF: ["bpf"],
  CAP_PERFMON: ["perf_event_open"],
};

/**
 * Allowed since Linux 4.8, where ptrace can no longer be used to get around seccomp. Node 24 needs a newer
 * kernel anyway, so there is no older case.
 */
export const tracing: readonly string[] = ["ptrace", "process_vm_readv", "process_vm_writev"];

/** What one family of processors has beside the others, by Node's name of it. */
export const allowedByArchitecture: Readonly<Record<string, readonly string[]>> = {
  x64: ["arch_prctl", "modify_ldt"],
  ia32: ["modify_ldt"],
  arm64: words("arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"),
  arm: words("arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"),
  ppc64: ["sync_file_range2", "swapcontext"],
  s390x: ["s390_pci_mmio_read", "s390_pci_mmio_write", "s390_runtime_instr"],
  riscv64: ["riscv_flush_icache"],
};

/** Processor and the ones whose programs it also runs, as seccomp names them, by Node's name. */
export const seccompArchitectures: Readonly<Record<string, readonly string[]>> = {
  x64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  ia32: ["SCMP_ARCH_X86"],
  arm64: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
  arm: ["SCMP_ARCH_ARM"],
  ppc64: ["SCMP_ARCH_PPC64LE"],
  s390x: ["SCMP_ARCH_S390X", "SCMP_ARCH_S390"],
  riscv64: ["SCMP_ARCH_RISCV64"],
};
