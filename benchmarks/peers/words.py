"""What the page says in words, with room for what is known of a run."""

HEAD = """\
# Performance: Lookout beside what one would pick instead

This page is made by `python -m peers page` from `benchmarks/results/{folder}/`:
raw samples of one machine, in one run. `make bench` measures all of it again (37 minutes on two cores), `make bench
ONLY="remote start"` some of it. On another machine the figures are others; compare the ratios.

{machine}. Lookout at commit `{commit}`; {packages}.
"""

HOW = """\
## How it was measured
- **Same images, same network, same answer.** The 64 photographs of COCO in `shared/coco` (640 x 480 and the like), and
  some of them enlarged to 4000 x 3000. YOLOv3-tiny's weights are made up (seeded): only the arithmetic counts. Before
  anything is timed, everyone's objects are compared with those of the detector that runs bare.
- **Contenders.** Each in a virtual environment of its own, pinned in `benchmarks/peers/requirements/`. Its program, in
  `benchmarks/peers/servers/`, is made as its own documentation has it, and told to report nothing to anybody. LitServe,
  BentoML, FastAPI and Ray Serve have Lookout's detector inside, on the same versions of its packages. *bare* is that
  detector in a loop, *engine* the network alone, on framed pictures: the limits. *reference* is the published system's
  server, written anew: Flask's own server, base64 in JSON, OpenCV 4's Darknet reader, the network loaded once.
- **Tuned fairly.** Each peer runs twice: {settings}.
  OpenCV has as many threads as the network in each, and in *bare* (one beside others, two alone); in Lookout's server
  always one. Each figure is that of the setting that is better under that load (w or n behind it): a user has to choose
  one.
  Lookout runs as it is, without a setting.
- **What is sent.** To Lookout the image itself, in a second row base64 in JSON; to LitServe base64 in JSON; to BentoML
  and FastAPI a form; to Ray Serve the image itself: as their documentations have it. Encoding is not timed.
- **One client program for all**, in a process of its own on the same cores: threads that write requests which were made
  before, and read the answer. One client takes each image once; more of them go on for a second or two.
  In open loops images come at random (Poisson) at a share of what that contender does with eight clients, and times
  count from when an image was due.
- **In turns.** In every round each contender is asked under each load, in an order that is shuffled. Ratios are made
  round by round; told is their median, with a 95 % interval bootstrapped from the rounds. All servers are started anew
  for each round, as one start of the same server may be some percent faster than another. Those that are not asked
  idle; Ray Serve, which takes a tenth of a core then, is held meanwhile.
- **Remote** is *emulated, not AWS*: functions run in Lookout's emulator, which gives them memory / 1769 MB of a core.
  `benchmarks/reference/handler.py` is the reference's, written anew.
"""

LOADS = """\
One client: the mean. More: images a second, and the p99. Open loops: the median and the p99. Times in ms; means and
images a second are medians of the rounds, the others are of all rounds' images."""

REMOTE = """\
Medians. *warm*, *cold*: the durations that the function reports; *init*: its init duration; *memory*: the most that it
used; *around*: what a client waits, from the start of its upload until it sees the result, less the duration."""

SAME = """\
All others, which have the same detector inside, gave the same objects as it did bare, confidences within 0.001, boxes
within a pixel. The reference tells no boxes; it decodes and resizes large pictures in another way."""
