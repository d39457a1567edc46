// All of Retrograde: one include for programs that use it.
//
//   #include <retrograde/retrograde.h>
//   namespace rg = retrograde;
#pragma once

#include "retrograde/base/error.h"
#include "retrograde/base/progress.h"
#include "retrograde/base/random.h"
#include "retrograde/cells/cell.h"
#include "retrograde/check/gradient.h"
#include "retrograde/check/network.h"
#include "retrograde/check/truncation.h"
#include "retrograde/data/batches.h"
#include "retrograde/data/csv_table.h"
#include "retrograde/data/forecast.h"
#include "retrograde/data/npy.h"
#include "retrograde/data/npz.h"
#include "retrograde/data/scaler.h"
#include "retrograde/data/text.h"
#include "retrograde/doctor/doctor.h"
#include "retrograde/io/safetensors.h"
#include "retrograde/loss/loss.h"
#include "retrograde/model/network.h"
#include "retrograde/optim/clip.h"
#include "retrograde/optim/optimizer.h"
#include "retrograde/optim/schedule.h"
#include "retrograde/sequence/backward.h"
#include "retrograde/sequence/forward.h"
#include "retrograde/stream/stream.h"
#include "retrograde/train/evaluate.h"
#include "retrograde/train/fit.h"
