from tests.daemon.fake_daemon import main

main("fake_first")
