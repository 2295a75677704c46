// A managed runtime as the host: calls from several threads, answered on the library's thread, with exceptions of every kind
// (among them those that the runtime makes of SIGSEGV and SIGFPE) and collections in the middle; then an orderly exit.
//
// mcs Calls.cs && mono Calls.exe

using System;
using System.Runtime.InteropServices;
using System.Threading;

static class Calls
{
    const int Threads = 4, CallsEach = 5000, LimitMs = 300000;

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    delegate void Callback(IntPtr theEvent, IntPtr userData);

    // The beginning of wamp_event_t.
    [StructLayout(LayoutKind.Sequential)]
    struct Event
    {
        public uint kind, flags;
        public int status, reserved;
        public long id, wampId;
        public IntPtr userData, connection, session, invocation;
    }

    [DllImport("wamp")] static extern IntPtr wamp_router_new(string config);
    [DllImport("wamp")] static extern int wamp_router_listen(IntPtr router, string url, out IntPtr listening);
    [DllImport("wamp")] static extern int wamp_router_free(IntPtr router);
    [DllImport("wamp")] static extern IntPtr wamp_connection_new(string options);
    [DllImport("wamp")] static extern int wamp_connection_open(IntPtr connection);
    [DllImport("wamp")] static extern int wamp_connection_session(IntPtr connection, int timeoutMs, out IntPtr session);
    [DllImport("wamp")] static extern int wamp_connection_close(IntPtr connection, string reason, string message, int timeoutMs);
    [DllImport("wamp")] static extern int wamp_connection_free(IntPtr connection);
    [DllImport("wamp")] static extern int wamp_session_release(IntPtr session);
    [DllImport("wamp")] static extern long wamp_session_register_sync(
        IntPtr session, string procedure, string options, Callback handler, IntPtr userData, IntPtr free, int timeoutMs);
    [DllImport("wamp")] static extern int wamp_session_call_sync(
        IntPtr session, string procedure, IntPtr payload, string options, int timeoutMs, IntPtr result);
    [DllImport("wamp")] static extern int wamp_invocation_yield(IntPtr invocation, IntPtr payload);
    [DllImport("wamp")] static extern int wamp_event_failed(IntPtr theEvent, string message);
    [DllImport("wamp")] static extern IntPtr wamp_last_error();
    [DllImport("wamp")] static extern int wamp_shutdown(int timeoutMs);

    static int called, caught, failures;
    static int[] zero = { 0 };

    // Kept here, so that no collection takes it.
    static readonly Callback handler = OnCall;

    static void OnCall(IntPtr pointer, IntPtr userData)
    {
        try
        {
            int number = Interlocked.Increment(ref called);
            try
            {
                switch (number % 4)
                {
                    case 0: string nothing = null; Console.Write(nothing.Length); break; // SIGSEGV
                    case 1: Console.Write(1 / zero[0]); break; // SIGFPE
                    case 2: throw new InvalidOperationException("one of ours");
                }
            }
            catch (Exception)
            {
                Interlocked.Increment(ref caught);
            }
            if (number % 500 == 0) GC.Collect();
            var seen = (Event)Marshal.PtrToStructure(pointer, typeof(Event));
            Check(wamp_invocation_yield(seen.invocation, IntPtr.Zero), "yield");
        }
        catch (Exception exception)
        {
            // None may pass through the library's frames.
            Interlocked.Increment(ref failures);
            wamp_event_failed(pointer, exception.Message);
        }
    }

    static void Check(long status, string what)
    {
        if (status < 0) throw new Exception(what + ": " + Marshal.PtrToStringAnsi(wamp_last_error()));
    }

    static void Call(IntPtr session)
    {
        try
        {
            for (int number = 0; number < CallsEach; number++)
            {
                Check(wamp_session_call_sync(session, "com.example.work", IntPtr.Zero, null, LimitMs, IntPtr.Zero), "call");
                if (number % 1000 == 0) GC.Collect();
            }
        }
        catch (Exception exception)
        {
            Interlocked.Increment(ref failures);
            Console.WriteLine(exception.Message);
        }
    }

    static int Main()
    {
        IntPtr router = wamp_router_new(null), session;
        IntPtr listening;
        Check(wamp_router_listen(router, "ws://127.0.0.1:0/", out listening), "listen");
        string url = Marshal.PtrToStringAnsi(listening);
        IntPtr connection = wamp_connection_new("{\"url\": \"" + url + "\", \"realm\": \"realm1\", \"dispatch\": \"thread\"}");
        Check(wamp_connection_open(connection), "open");
        Check(wamp_connection_session(connection, LimitMs, out session), "session");
        Check(wamp_session_register_sync(
            session, "com.example.work", null, handler, IntPtr.Zero, IntPtr.Zero, LimitMs), "register");

        var threads = new Thread[Threads];
        for (int index = 0; index < Threads; index++)
        {
            threads[index] = new Thread(() => Call(session));
            threads[index].Start();
        }
        foreach (var thread in threads) thread.Join();

        Check(wamp_session_release(session), "release");
        Check(wamp_connection_close(connection, null, null, LimitMs), "close");
        Check(wamp_connection_free(connection), "free");
        Check(wamp_router_free(router), "router");
        Check(wamp_shutdown(LimitMs), "shutdown");
        Console.WriteLine("called {0}, caught {1}, failed {2}", called, caught, failures);
        return called == Threads * CallsEach && caught == called / 4 * 3 && failures == 0 ? 0 : 1;
    }
}
