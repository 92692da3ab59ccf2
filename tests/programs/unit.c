/* What programs do with a C library: streams, memory, time, signals, threads with their locks, processes, the environment.
 * Prints a line for each subject, the same on every system. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int number;

/* One result. */
static void tell(const char *name, const char *format, ...)
{
    va_list words;
    printf("ok %d - %s: ", ++number, name);
    va_start(words, format);
    vprintf(format, words);
    va_end(words);
    putchar('\n');
    fflush(stdout);
}

static void streams(void)
{
    char line[64] = "", path[] = "/tmp/unit-XXXXXX";
    int value = 0, fd = mkstemp(path);
    FILE *file = fdopen(fd, "w+");
    fprintf(file, "%s %d %.3f %#x\n", "text", 42, 1.5, 255);
    for (int n = 0; n < 10000; n++)
        fprintf(file, "%d\n", n);
    fseek(file, 0, SEEK_SET);
    fgets(line, sizeof line, file);
    line[strcspn(line, "\n")] = 0;
    while (fscanf(file, "%d", &value) == 1)
        ;
    long size = ftell(file);
    fclose(file);
    unlink(path);
    tell("streams", "[%s] %d %ld %d", line, value, size, access(path, F_OK));
}

static void heap(void)
{
    unsigned char *blocks[200];
    uint64_t sum = 0;
    for (int n = 0; n < 200; n++) {
        blocks[n] = malloc(1 + n * 997);
        memset(blocks[n], n, 1 + n * 997);
    }
    for (int n = 0; n < 200; n += 2)
        free(blocks[n]);
    for (int n = 1; n < 200; n += 2) {
        blocks[n] = realloc(blocks[n], 300000);
        sum += blocks[n][n * 997];
        free(blocks[n]);
    }
    void *aligned = NULL;
    int failed = posix_memalign(&aligned, 4096, 10000);
    tell("heap", "%d %d %d", (int)sum, failed, (int)((uintptr_t)aligned % 4096));
    free(aligned);
}

static sigjmp_buf back;
static volatile sig_atomic_t caught;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    caught = signal * 1000 + info->si_code;
    siglongjmp(back, 1);
}

static void on_value(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    caught += info->si_value.sival_int;
}

static void signals(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t stack = {.ss_sp = malloc(SIGSTKSZ), .ss_size = SIGSTKSZ};
    sigset_t set;
    sigaltstack(&stack, NULL);
    sigaction(SIGSEGV, &action, NULL);
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (sigsetjmp(back, 1) == 0)
        *(volatile char *)page = 1;
    int fault = caught;
    caught = 0;
    action.sa_sigaction = on_value;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGRTMIN, &action, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int n = 1; n <= 3; n++)
        sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = n});
    siginfo_t info;
    sigwaitinfo(&set, &info);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    tell("signals", "%d %d %d %s", fault, info.si_value.sival_int, (int)caught, strsignal(SIGCHLD));
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_key_t key;
static sem_t semaphore;
static int count, destroyed;
static __thread int mine = 5;

static void destroy(void *value)
{
    (void)value;
    __atomic_add_fetch(&destroyed, 1, __ATOMIC_SEQ_CST);
}

static void *work(void *argument)
{
    pthread_setspecific(key, argument);
    mine += (int)(intptr_t)argument;
    for (int n = 0; n < 1000; n++) {
        pthread_mutex_lock(&mutex);
        count++;
        pthread_mutex_unlock(&mutex);
    }
    sem_post(&semaphore);
    pthread_mutex_lock(&mutex);
    pthread_cond_signal(&condition);
    pthread_mutex_unlock(&mutex);
    return (void *)(intptr_t)mine;
}

static void *idle(void *argument)
{
    for (;;)
        pause();
    return argument;
}

static void threads(void)
{
    pthread_t all[8], sleeper;
    intptr_t sum = 0;
    void *result;
    pthread_key_create(&key, destroy);
    sem_init(&semaphore, 0, 0);
    for (intptr_t n = 0; n < 8; n++)
        pthread_create(&all[n], NULL, work, (void *)(n + 1));
    pthread_mutex_lock(&mutex);
    while (count < 8000)
        pthread_cond_wait(&condition, &mutex);
    pthread_mutex_unlock(&mutex);
    for (int n = 0; n < 8; n++) {
        sem_wait(&semaphore);
        pthread_join(all[n], &result);
        sum += (intptr_t)result;
    }
    pthread_create(&sleeper, NULL, idle, NULL);
    pthread_cancel(sleeper);
    pthread_join(sleeper, &result);
    tell("threads", "%d %d %d %d", count, (int)sum, destroyed, result == PTHREAD_CANCELED);
}

static void timed(void)
{
    struct timespec until, before, after;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    clock_gettime(CLOCK_MONOTONIC, &before);
    pthread_mutex_lock(&mutex);
    int error = pthread_cond_timedwait(&condition, &mutex, &until);
    pthread_mutex_unlock(&mutex);
    clock_gettime(CLOCK_MONOTONIC, &after);
    long waited = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
    struct tm tm;
    time_t when = 86400 * 365;
    char text[64];
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", gmtime_r(&when, &tm));
    tell("time", "%d %d %s", error == ETIMEDOUT, waited >= 19, text);
}

extern char **environ;

static void processes(void)
{
    char *self = "/proc/self/exe";
    int status, pipes[2];
    char text[16] = "";
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
    waitpid(pid, &status, 0);
    int exited = WEXITSTATUS(status);
    pid = vfork();
    if (pid == 0) {
        execl(self, self, "child", NULL);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    int executed = WEXITSTATUS(status);
    char *words[] = {self, "abort", NULL};
    if (posix_spawn(&pid, self, NULL, NULL, words, environ) != 0)
        pid = 0;
    waitpid(pid, &status, 0);
    int signal = WTERMSIG(status);
    if (pipe(pipes) != 0)
        exit(1);
    if (fork() == 0) {
        dup2(pipes[1], 1);
        execlp("echo", "echo", "by path", NULL);
        _exit(127);
    }
    close(pipes[1]);
    struct pollfd source = {.fd = pipes[0], .events = POLLIN};
    poll(&source, 1, -1);
    ssize_t got = read(pipes[0], text, sizeof text - 1);
    wait(&status);
    int shell = system("exit 9");
    FILE *stream = popen("echo popen; exit 4", "r");
    char line[16] = "";
    fgets(line, sizeof line, stream);
    line[strcspn(line, "\n")] = 0;
    int closed = pclose(stream);
    tell("processes", "%d %d %d %d [%.7s] %d %s %d", exited, executed, signal, (int)got, text,
         WEXITSTATUS(shell), line, WEXITSTATUS(closed));
}

static void maps(void)
{
    char path[] = "/tmp/unit-XXXXXX", seen[4] = "";
    int fd = mkstemp(path);
    if (ftruncate(fd, 8192) != 0)
        exit(1);
    char *shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *private = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    memcpy(shared + 4094, "abc", 3);
    private[4094] = 'x';
    if (pread(fd, seen, 3, 4094) != 3)
        exit(1);
    int same = msync(shared, 8192, MS_SYNC);
    int *counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (fork() == 0) {
        *counter = 17;
        _exit(0);
    }
    wait(NULL);
    tell("maps", "%s %c%c %d %d", seen, private[4094], private[4095], same, *counter);
    unlink(path);
}

static void surroundings(void)
{
    struct rlimit limit;
    struct iovec parts[2] = {{"", 0}, {"", 0}};
    setenv("UNIT", "set", 1);
    getrlimit(RLIMIT_STACK, &limit);
    char directory[64] = "";
    if (chdir("/proc/self/..") != 0 || !getcwd(directory, sizeof directory))
        exit(1);
    errno = 0;
    int bad = (int)writev(99, parts, 2);
    tell("surroundings", "%s %d %s %d %s", getenv("UNIT"), limit.rlim_cur > 65536, directory, bad,
         strerror(errno));
}

int main(int count, char **words)
{
    if (count > 1) {
        if (strcmp(words[1], "abort") == 0)
            abort();
        return 21;
    }
    puts("1..9");
    fflush(stdout);
    streams();
    heap();
    signals();
    threads();
    timed();
    processes();
    maps();
    surroundings();
    printf("ok %d - exit handlers\n", ++number);
    return 0;
}
