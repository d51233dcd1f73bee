#pragma once
namespace jobslots {
unsigned allowed_jobs();
}
